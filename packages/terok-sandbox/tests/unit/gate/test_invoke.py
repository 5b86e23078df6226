from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from terok_sandbox.gate.checkout import uncommitted
from terok_sandbox.gate.errors import GateError, GitFailed, GitTimeout
from terok_sandbox.gate.git_gate import GitGate
from terok_sandbox.gate.invoke import (
    VERBS,
    git_argv,
    git_environment,
    local_service,
    run_git,
)
from terok_util import process

if TYPE_CHECKING:
    from conftest import Repo

SOURCES = Path(__file__).parents[4]


@dataclass(frozen=True)
class Attack:
    """Configuration that runs a program, and a command of git's that falls for it.

    ``settings`` go into the repository's own configuration with ``@`` standing for the program. ``only_verbs``
    marks what no setting can switch off (filters have arbitrary names): the guard is that the command is not run.
    """

    name: str
    witness: tuple[str, ...]
    settings: dict[str, str] = field(default_factory=dict)
    attributes: str = ""
    hook: str = ""
    protocols: tuple[str, ...] = ()
    pty: bool = False
    only_verbs: bool = False
    everywhere: bool = False


DIFF = ("diff", "HEAD~1", "HEAD")
ATTACKS = [
    Attack("hooks", ("update-ref", "refs/heads/zz", "HEAD"), hook="reference-transaction"),
    Attack("core.hooksPath", ("update-ref", "refs/heads/zz", "HEAD"), {"core.hooksPath": "@dir"}),
    Attack("core.fsmonitor", ("status",), {"core.fsmonitor": "@"}),
    Attack("core.pager", ("log",), {"core.pager": "@"}, pty=True),
    Attack("pager.log", ("log",), {"pager.log": "@"}, pty=True),
    Attack("diff.external", DIFF, {"diff.external": "@"}, only_verbs=True),
    Attack("diff.driver.command", DIFF, {"diff.evil.command": "@"}, attributes="*.foo diff=evil", only_verbs=True),
    Attack("diff.driver.textconv", ("log", "-p"), {"diff.evil.textconv": "@"}, attributes="*.foo diff=evil"),
    Attack(
        "filter.clean", ("add", "a.foo"), {"filter.evil.clean": "@"}, attributes="*.foo filter=evil", only_verbs=True
    ),
    Attack(
        "filter.process",
        ("add", "a.foo"),
        {"filter.evil.process": "@"},
        attributes="*.foo filter=evil",
        only_verbs=True,
    ),
    Attack(
        "filter.smudge",
        ("checkout", "HEAD~1", "--", "a.foo"),
        {"filter.evil.smudge": "@"},
        attributes="*.foo filter=evil",
        only_verbs=True,
    ),
    Attack("gpg.program", ("log", "signed"), {"gpg.program": "@", "log.showSignature": "true"}),
    Attack("core.sshCommand", ("fetch", "ssh://127.0.0.1/x"), {"core.sshCommand": "@"}, protocols=("ssh",)),
    Attack("core.gitProxy", ("fetch", "git://127.0.0.1/x"), {"core.gitProxy": "@"}, protocols=("git",)),
    Attack(
        "url.insteadOf",
        ("fetch", "https://127.0.0.1/x"),
        {"url.ext::@ .insteadOf": "https://", "protocol.ext.allow": "always"},
        protocols=("https",),
    ),
    Attack("core.alternateRefsCommand", ("fetch", "@other"), {"core.alternateRefsCommand": "@"}, protocols=("file",)),
    Attack("credential.helper", ("ls-remote", "@http"), {"credential.helper": "@"}, protocols=("http",)),
    Attack(
        "credential.url.helper",
        ("ls-remote", "@http"),
        {"credential.@origin.helper": "!@"},
        protocols=("http",),
    ),
    Attack("core.askPass", ("ls-remote", "@http"), {"core.askPass": "@"}, protocols=("http",)),
    Attack(
        "promisor.uploadpack",
        ("cat-file", "-p", "1" * 40),
        {
            "core.repositoryFormatVersion": "1",
            "extensions.partialClone": "evil",
            "remote.evil.url": "@other",
            "remote.evil.promisor": "true",
            "remote.evil.uploadpack": "@",
        },
    ),
    Attack(
        "uploadpack.packObjectsHook",
        ("clone", "--no-local", ".", "@new"),
        {"uploadpack.packObjectsHook": "@"},
        everywhere=True,
        only_verbs=True,
    ),
]

OURS = [
    ("cat-file", "-p", "HEAD:a.foo"),
    ("cat-file", "-p", "1" * 40),
    ("commit-tree", "-m", "x", "HEAD^{tree}"),
    ("diff-index", "--cached", "--name-only", "HEAD"),
    ("diff-tree", "-p", "HEAD~1", "HEAD"),
    ("fetch", "@other", "+refs/heads/*:refs/terok/upstream/*"),
    ("for-each-ref",),
    ("fsck",),
    ("hash-object", "-w", "--stdin"),
    ("init",),
    ("log", "-p", "--all"),
    ("ls-files", "--debug", "--stage"),
    ("ls-remote", "@other"),
    ("merge-base", "HEAD", "HEAD~1"),
    ("merge-tree", "--write-tree", "HEAD", "HEAD~1"),
    ("mktree",),
    ("prune", "--expire=1.hour.ago"),
    ("push", "--receive-pack=@receive", "@other", "HEAD:refs/heads/pushed"),
    ("reflog", "expire", "--expire=30.days.ago", "--expire-unreachable=30.days.ago", "--all"),
    ("repack", "--geometric=2", "-d"),
    ("repack", "-A", "-d", "--unpack-unreachable=1.hour.ago"),
    ("rev-list", "--objects", "--all"),
    ("rev-parse", "HEAD"),
    ("symbolic-ref", "HEAD", "refs/heads/main"),
    ("update-ref", "refs/heads/yy", "HEAD"),
]


@dataclass
class Trap:
    """A repository prepared by an attacker, and the file that appears when the attacker's program has run."""

    repo: Repo
    sentinel: Path
    words: dict[str, str]

    def spelled(self, text: str) -> str:
        for word in sorted(self.words, key=len, reverse=True):
            text = text.replace(word, self.words[word])
        return text

    def fired(self) -> bool:
        ran = self.sentinel.exists()
        self.sentinel.unlink(missing_ok=True)
        return ran

    def run(self, args: tuple[str, ...], env: dict[str, str], *, pty: bool) -> None:
        command = [self.spelled(arg) for arg in args]
        if not pty:
            subprocess.run(command, cwd=self.repo.path, env=env, capture_output=True, timeout=30, stdin=-3, check=False)
            return
        ours, theirs = os.openpty()
        with closing(os.fdopen(ours, "rb")), closing(os.fdopen(theirs, "wb")) as terminal:
            subprocess.run(
                command, cwd=self.repo.path, env=env, stdout=terminal, stderr=-3, timeout=30, stdin=-3, check=False
            )


@pytest.fixture
def trap(new_repo: Callable[..., Repo], tmp_path: Path, url: str) -> Callable[[Attack], Trap]:
    def prepare(attack: Attack) -> Trap:
        repo, other = new_repo("evil"), new_repo("other")
        other.commit("x")
        repo.commit("a.foo", "one\n")
        repo.commit("a.foo", "two\n")
        raw = repo.git("cat-file", "commit", "HEAD")
        signed = raw.replace(
            "\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n", 1
        )
        oid = repo.git("hash-object", "-t", "commit", "-w", "--stdin", input=signed + "\n")
        repo.git("update-ref", "refs/heads/signed", oid)
        sentinel = tmp_path / "fired"
        scripts = tmp_path / "scripts"
        scripts.mkdir()
        program = scripts / "reference-transaction"
        program.write_text(f"#!/bin/sh\ntouch {sentinel}\nexit 1\n")
        program.chmod(0o755)
        (repo.path / ".git/objects/info/alternates").write_text(f"{other.path}/.git/objects\n")
        anonymous = re.sub("//.*@", "//", url)
        words = {
            "@dir": str(scripts),
            "@other": str(other.path),
            "@receive": local_service(other.path / ".git", "receive-pack"),
            "@http": anonymous,
            "@origin": anonymous.removesuffix("/proj.git"),
            "@new": str(tmp_path / "new"),
            "@": str(program),
        }
        trap = Trap(repo, sentinel, words)
        if attack.attributes:
            (repo.path / ".gitattributes").write_text(attack.attributes + "\n")
            (repo.path / ".git/info").mkdir(exist_ok=True)
            (repo.path / ".git/info/attributes").write_text(attack.attributes + "\n")
            (repo.path / "a.foo").write_text("three\n")
        if attack.hook:
            hook = repo.path / ".git/hooks" / attack.hook
            hook.parent.mkdir(exist_ok=True)
            hook.write_bytes(program.read_bytes())
            hook.chmod(0o755)
        for key, value in attack.settings.items():
            where = ["--global"] if attack.everywhere else []
            repo.git("config", *where, trap.spelled(key), trap.spelled(value))
        return trap

    return prepare


@pytest.mark.attack("GIT-1")
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_no_configuration_runs_a_program(
    attack: Attack, trap: Callable[[Attack], Trap], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = trap(attack)
    monkeypatch.setenv("HOME", str(prepared.repo.home))
    prepared.fired()
    prepared.run(("git", *attack.witness), prepared.repo.env, pty=attack.pty)
    assert prepared.fired(), "the payload does not work, so this test shows nothing"
    prepared.repo.try_git("update-ref", "-d", "refs/heads/zz")
    prepared.fired()

    if attack.only_verbs:
        assert attack.witness[0] not in VERBS
    else:
        env = git_environment(protocols=attack.protocols, config={"safe.directory": str(prepared.repo.path)})
        verb, *args = attack.witness
        ours = tuple(git_argv(verb, args, prepared.repo.path / ".git")) if verb in VERBS else ("git", verb, *args)
        prepared.run(ours, env, pty=attack.pty)
        assert not prepared.fired(), "the witness ran it under the guard"

    git_dir = prepared.repo.path / ".git"
    for verb, *args in OURS:
        run_git(verb, *map(prepared.spelled, args), git_dir=git_dir, protocols=("file",), check=False)
        assert not prepared.fired(), f"git {verb} ran it"

    GitGate("evil", base=tmp_path / "mirrors", upstream=str(prepared.repo.path)).sync()
    assert not prepared.fired(), "reading the repository as upstream ran it"
    assert isinstance(uncommitted(prepared.repo.path), tuple)
    assert not prepared.fired(), "looking for what is not committed ran it"


def test_every_verb_is_in_the_matrix() -> None:
    assert {verb for verb, *_ in OURS} == VERBS


@pytest.mark.attack("GIT-1")
def test_an_upstream_that_poses_as_a_partial_clone(trap: Callable[[Attack], Trap], tmp_path: Path) -> None:
    prepared = trap(next(attack for attack in ATTACKS if attack.name == "promisor.uploadpack"))
    blob = prepared.repo.git("rev-parse", "HEAD:a.foo")
    (prepared.repo.path / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(GateError, match="was not reached"):
        GitGate("evil", base=tmp_path / "mirrors", upstream=str(prepared.repo.path)).sync()
    assert not prepared.fired()


def test_other_verbs_are_refused() -> None:
    for verb in ("status", "diff", "show", "checkout", "config", "archive", "-c", "--exec-path=/x"):
        with pytest.raises(GateError, match="does not run"):
            git_argv(verb, [], None)
    with pytest.raises(GateError, match="absolute"):
        git_argv("log", [], Path("relative"))


def test_the_environment_is_ours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_EXTERNAL_DIFF", "GIT_DIR", "GIT_TRACE", "GIT_EXEC_PATH", "SSH_ASKPASS", "LD_PRELOAD", "SECRET"):
        monkeypatch.setenv(name, "/evil")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    monkeypatch.setenv("PATH", ".:/usr/bin:relative::/bin")
    env = git_environment()
    assert "/evil" not in env.values()
    assert "HTTPS_PROXY" not in env
    assert env["PATH"] == "/usr/bin:/bin"
    assert env["HOME"] == "/dev/null"
    assert git_environment(protocols=("https",))["HTTPS_PROXY"] == "http://proxy"


def test_the_repository_around_us_is_not_used(new_repo: Callable[..., Repo], monkeypatch: pytest.MonkeyPatch) -> None:
    repo = new_repo("around")
    repo.commit("a")
    monkeypatch.chdir(repo.path)
    with pytest.raises(GitFailed):
        run_git("rev-parse", "HEAD")


def test_errors_are_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upstream: Repo) -> None:
    with pytest.raises(GitFailed) as failed:
        run_git("rev-parse", "--verify", "nothing", git_dir=upstream.path / ".git")
    assert failed.value.status == 128
    assert "\n" not in failed.value.message
    (tmp_path / "git").write_text("#!/bin/sh\nexec /bin/sleep 30\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitTimeout):
        run_git("rev-parse", "HEAD", timeout=0.2)


def test_no_git(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise process.ToolNotFound(name)

    monkeypatch.setattr(process, "find_tool", missing)
    with pytest.raises(GateError, match="not installed") as error:
        run_git("rev-parse", "HEAD")
    assert error.value.hint


def source_files() -> Iterator[Path]:
    for file in SOURCES.glob("*/src/**/*.py"):
        if "resources" not in file.parts:
            yield file


STARTS_GIT = {
    "terok-sandbox/src/terok_sandbox/gate/invoke.py",
    "terok/src/terok/demo/scene.py",  # under the same guard, in a repository it has just made itself
}


def test_nothing_else_starts_git() -> None:
    """No other module on the host hands a vector that begins with git to a process runner."""
    vector = re.compile(r"""\[\s*(["'](?:[^"']*/)?git["']|find_git\(\))\s*[,\]]|find_tool\(\s*["']git["']""")
    found = {str(file.relative_to(SOURCES)) for file in source_files() if vector.search(file.read_text())}
    assert "terok-sandbox/src/terok_sandbox/gate/invoke.py" in found
    assert found <= STARTS_GIT
