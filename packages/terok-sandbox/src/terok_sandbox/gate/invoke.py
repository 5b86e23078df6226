"""Run git: the one place on the host that does.

Git executes programs that configuration names: hooks, file-system monitors, pagers, diff drivers, credential
helpers, ssh commands. Every call made here reads neither system nor user configuration, overrides each of those
keys at command level (which wins over the repository's own file), reaches no transport that the caller did not
name, starts in `/` and is limited to the plumbing the gate needs. Commands that cannot do without a
work tree are not on the list, and none is given one, so attribute filters have nothing to run on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Final, Literal

from terok_util import process
from terok_util.process import Completed, Process, ProcessError
from terok_util.text import safe_text
from terok_util.values import lean_dataclass

from terok_sandbox.gate.errors import GateError, GitFailed, GitTimeout

Protocol = Literal["file", "https", "ssh"]
Service = Literal["upload-pack", "receive-pack"]

VERBS: Final = frozenset(
    {"cat-file", "commit-tree", "diff-index", "diff-tree", "fetch", "for-each-ref", "fsck", "hash-object", "init"}
    | {"log", "ls-files", "ls-remote", "merge-base", "merge-tree", "mktree", "prune", "push", "reflog", "repack"}
    | {"rev-list", "rev-parse", "symbolic-ref", "update-ref"}
)
"""Everything the host asks git to do. Called as here, none reads or writes a work tree, and none writes an index.

`merge-tree` obeys the merge drivers of the repository's own configuration, so it is for mirrors alone: theirs is ours.
"""

GUARD: Final[Mapping[str, str]] = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.untrackedCache": "false",
    "core.attributesFile": "/dev/null",
    "attr.tree": "refs/terok/none",  # else git 2.43 to 2.45 obey the attributes of HEAD: files hide from a diff
    "core.excludesFile": "/dev/null",
    "core.pager": "cat",
    "core.editor": "false",
    "core.askPass": "",
    "core.sshCommand": "false",
    "core.alternateRefsCommand": "true",
    "credential.helper": "",
    "credential.interactive": "false",
    "push.gpgSign": "false",
    "push.recurseSubmodules": "no",
    "push.followTags": "false",
    "push.useBitmaps": "false",
    "commit.gpgSign": "false",
    "protocol.allow": "never",
    "fetch.fsckObjects": "true",
    "fetch.recurseSubmodules": "false",
    "fetch.writeCommitGraph": "false",
    "receive.fsckObjects": "true",
    "receive.autogc": "false",
    "receive.denyCurrentBranch": "refuse",  # updateInstead checks files out, through the filters of whoever owns them
    "transfer.fsckObjects": "true",
    "transfer.bundleURI": "false",
    "submodule.recurse": "false",
    "diff.submodule": "short",
    "diff.ignoreSubmodules": "none",
    "log.showSignature": "false",
    "log.mailmap": "false",
    "gpg.program": "false",
    "gpg.ssh.program": "false",
    "gpg.x509.program": "false",
    "gc.auto": "0",
    "gc.autoDetach": "false",
    "maintenance.auto": "false",
    "http.sslVerify": "true",
    "http.cookieFile": "",
    "advice.detachedHead": "false",
    "init.defaultBranch": "main",
}

_SHOWS_DIFFS: Final = frozenset({"log", "diff-index", "diff-tree"})
_DIFF_FLAGS: Final = ("--no-ext-diff", "--no-textconv", "--no-color", "--submodule=short", "--no-renames")
_LOG_FLAGS: Final = ("--no-show-signature", "--no-notes", "--no-mailmap", "--no-decorate")

_KEEP: Final = ("PATH", "TMPDIR", "TZ")
_KEEP_FOR_HTTPS: Final = (
    *("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH"),
)
_NO_PROTOCOL: Final = "none"  # no transport has this name; an empty value would mean "unset" to some versions


@lean_dataclass(frozen=True, slots=True)
class GitCredentials:
    """Settings, variables and descriptors that give one git call a credential."""

    config: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    pass_fds: tuple[int, ...] = ()


def run_git(
    verb: str,
    *args: str,
    git_dir: Path | None = None,
    protocols: Iterable[Protocol] = (),
    config: Mapping[str, str] | None = None,
    shown: GitCredentials | None = None,
    timeout: float = 60.0,
    input: bytes | None = None,  # noqa: A002 - the name the process runner uses
    check: bool = True,
    max_output: int = 16 * 1024 * 1024,
) -> Completed:
    """Run one git command and wait for it.

    `verb` is one of `VERBS`; `git_dir` an absolute path of a repository (none: outside any repository).
    `protocols` names the transports this call may use; `config` adds to `GUARD`; `timeout` is in seconds;
    `shown` are credentials for the upstream. Git reads `input`.
    With `check`, a failing git raises `GitFailed` with its last words; `GitTimeout` after the time-out;
    `GateError` without git.
    """
    given = {**(config or {}), **(shown.config if shown else {})}
    argv, env = _call(verb, args, git_dir, protocols, given)
    env |= shown.variables if shown else {}
    try:
        return process.run(
            argv,
            timeout=timeout,
            input=input,
            env=env,
            cwd=Path("/"),
            check=check,
            max_output=max_output,
            pass_fds=shown.pass_fds if shown else (),
        )
    except process.ProcessError as error:
        raise _translated(verb, error) from error


def start_git(
    verb: str, *args: str, git_dir: Path, objects: Path | None = None, config: Mapping[str, str] | None = None
) -> Process:
    """Start a command that gets its input from `finish_git`; it also sees the objects in `objects`, made by then."""
    argv, env = _call(verb, args, git_dir, (), config)
    if objects is not None:
        env["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = _quoted_for_git(objects)
    return _spawn(verb, argv, env, detach=True)


def finish_git(
    verb: str, git: Process, data: bytes, sink: Callable[[bytes], None], *, timeout: float, memory: int
) -> None:
    """Give a git that may allocate `memory` bytes its input and wait for its end; an exception of `sink` passes."""
    try:
        process.limit(git, memory=memory)
        process.attend(git, timeout=timeout, input=data, sink=sink)
    except process.ProcessError as error:
        raise _translated(verb, error) from error


def discard_git(git: Process) -> None:
    """End a started git that is not needed."""
    git.kill()
    git.communicate()


def spawn_service(
    mirror: Path,
    service: Service,
    *,
    config: Mapping[str, str],
    protocol: str = "",
    advertise: bool = False,
    pass_fds: Sequence[int] = (),
    variables: Mapping[str, str] | None = None,
    who: str = "container",
) -> Process:
    """Start the service for one HTTP request to `mirror`, with pipes on all three streams.

    `config` holds command-level settings beyond `GUARD`, `protocol` what the client asked for in the header
    `Git-Protocol`; with `advertise` the service only says what there is. Git and its hook inherit the descriptors
    `pass_fds` and get `variables`. The reflogs say that `who` has pushed (`pusher`).
    """
    env = git_environment(config={**config, "safe.directory": str(mirror)})
    env |= {"GIT_COMMITTER_NAME": "container", "GIT_COMMITTER_EMAIL": pusher(who)}
    if protocol:
        env["GIT_PROTOCOL"] = protocol
    argv = [find_git(), service, "--stateless-rpc"]
    argv += ["--http-backend-info-refs"] if advertise else []
    return _spawn(service, [*argv, str(mirror)], {**env, **(variables or {})}, pass_fds=pass_fds)


def pusher(container: str) -> str:
    """Return the e-mail address that a mirror's reflogs have for pushes of a container."""
    return f"{container}@container"


def find_git() -> str:
    """Return the absolute path of git; `GateError` when the host has none."""
    try:
        return process.find_tool("git")
    except process.ToolNotFound as error:
        raise GateError("git is not installed on this host", hint="install the package 'git'") from error


def git_environment(*, protocols: Iterable[Protocol] = (), config: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the whole environment of a git call, with `GUARD` and `config`: of the caller's only paths and proxies."""
    allowed = tuple(protocols)
    keep = _KEEP + (_KEEP_FOR_HTTPS if "https" in allowed else ())
    env = {name: os.environ[name] for name in keep if name in os.environ}
    env["PATH"] = _absolute_search_path(env.get("PATH", os.defpath))
    env |= {
        "HOME": "/dev/null",  # no ~/.netrc, no ~/.config/git
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GIT_SSH_COMMAND": "false",
        "GIT_PROXY_COMMAND": "false",  # of several core.gitProxy the first one counts, so a setting would lose
        "GIT_EDITOR": "false",
        "GIT_PAGER": "cat",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_ALLOW_PROTOCOL": ":".join(allowed) or _NO_PROTOCOL,
    }
    settings = {**GUARD, **(config or {})}
    env["GIT_CONFIG_COUNT"] = str(len(settings))
    for index, (key, value) in enumerate(settings.items()):
        env[f"GIT_CONFIG_KEY_{index}"] = key
        env[f"GIT_CONFIG_VALUE_{index}"] = value
    return env


def local_service(source: Path, service: Service) -> str:
    """Return the command that serves the repository at `source` to a fetch or push of ours.

    Git drops command-level configuration when it enters another repository on the same machine, so the guard is
    given again here; and this process may use no transport at all, so a repository that poses as a partial clone
    cannot have it fetch what is "missing".
    """
    import shlex  # only who sends or fetches needs it

    settings = {**GUARD, "safe.directory": str(source)}
    words = [f"GIT_ALLOW_PROTOCOL={_NO_PROTOCOL}", "GIT_NO_LAZY_FETCH=1", shlex.quote(find_git())]
    for key, value in settings.items():
        words += ["-c", shlex.quote(f"{key}={value}")]
    return " ".join([*words, service, *(["--strict"] if service == "upload-pack" else [])])


def git_argv(verb: str, args: Iterable[str], git_dir: Path | None) -> list[str]:
    """Return the argument vector of a call; refuses verbs that are not in `VERBS`."""
    if verb not in VERBS:
        raise GateError(f"the gate does not run 'git {verb}'")
    argv = [find_git(), "--no-pager", "--bare"]
    if git_dir is not None:
        if not git_dir.is_absolute():
            raise GateError(f"the git directory {git_dir} is not an absolute path")
        argv.append(f"--git-dir={git_dir}")
    argv.append(verb)
    if verb in _SHOWS_DIFFS:
        argv += _DIFF_FLAGS
    if verb == "log":
        argv += _LOG_FLAGS
    return [*argv, *args]


def _spawn(
    verb: str, argv: Sequence[str], env: Mapping[str, str], *, pass_fds: Sequence[int] = (), detach: bool = False
) -> Process:
    pipe = process.PIPE
    try:
        return process.spawn(
            argv, stdin=pipe, stdout=pipe, stderr=pipe, env=env, cwd=Path("/"), pass_fds=pass_fds, detach=detach
        )
    except process.ProcessError as error:
        raise _translated(verb, error) from error


def _call(
    verb: str,
    args: Iterable[str],
    git_dir: Path | None,
    protocols: Iterable[Protocol],
    config: Mapping[str, str] | None,
) -> tuple[list[str], dict[str, str]]:
    trusted = {"safe.directory": str(git_dir)} if git_dir is not None else {}
    env = git_environment(protocols=protocols, config={**(config or {}), **trusted})
    if git_dir is None:
        env["GIT_DIR"] = "/dev/null"  # never the repository that some parent of the working directory may be
    return git_argv(verb, args, git_dir), env


def _quoted_for_git(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'  # a colon in the path would otherwise separate two


def _absolute_search_path(path: str) -> str:
    return os.pathsep.join(entry for entry in path.split(os.pathsep) if entry.startswith("/")) or "/usr/bin:/bin"


def _translated(verb: str, error: ProcessError) -> GateError:
    if isinstance(error, process.ToolNotFound):
        return GateError("git is not installed on this host", hint="install the package 'git'")
    if isinstance(error, process.ProcessTimeout):
        return GitTimeout(f"git {verb} did not finish in time")
    if isinstance(error, process.ProcessFailed):
        done = error.completed
        lines = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        said = "; ".join(safe_text(line, limit=300) for line in lines[-3:]) or f"exit status {done.returncode}"
        return GitFailed(f"git {verb} failed: {said}", status=done.returncode)
    return GateError(f"git {verb} failed: {error.message}", hint=error.hint)
