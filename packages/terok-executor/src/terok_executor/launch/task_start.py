"""Steps of every launch: the mirror of its repository, a name of its own with files, and taking all of it back."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from terok_util import TerokError, ensure_dir, remove_tree, safe_text, write_sensitive_file
from terok_util.values import lean_dataclass

from terok_executor.credentials import revoke_phantoms
from terok_executor.errors import RequestError
from terok_executor.image.podman import OnLine
from terok_executor.integrations.sandbox import (
    Claim,
    GateSyncResult,
    GitGate,
    NameTaken,
    RepoSource,
    Sandbox,
    SandboxConfig,
    resolve_repo,
    run_git,
    seed_workspace,
    uncommitted,
)
from terok_executor.launch.request import LaunchRequest, Reference, Task
from terok_executor.launch.task_files import RunRecord, prepare_task_dir, save_record
from terok_executor.paths import clone_cache_dir, task_dir

MAX_NOTES = 5
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@lean_dataclass(frozen=True, slots=True)
class Mirrored:
    """A mirror brought up to date: its branches, and the commit that new work starts from (None: there is none)."""

    gate: GitGate
    heads: Mapping[str, str]
    start: str | None


def mirror(
    config: SandboxConfig,
    repo: RepoSource,
    scope: str,
    branch: str | None,
    on_line: OnLine,
    default_branch: str | None = None,
    start: str | None = None,
) -> Mirrored:
    """Bring the repository's mirror up to date and report what matters to a person who starts on `branch`.

    `default_branch` replaces the upstream's own; RequestError if there is no such branch. A mirror that has the commit
    `start` is taken as it is, wherever the upstream is by now; RequestError if the upstream does not bring it either.
    """
    gate = GitGate(
        scope, base=config.gate_base_path, upstream=repo.address, default_branch=default_branch, config=config
    )
    if start is not None and _holds(gate, start):
        return Mirrored(gate, gate.branch_heads(), start)
    on_line(f"mirroring {repo.address}")
    synced = gate.sync()
    if default_branch is not None and synced.start is None:
        raise RequestError(f"{repo.address} has no branch {default_branch}", hint="name one that it has")
    if start is not None and not _holds(gate, start):
        raise RequestError(f"{repo.address} has no commit {safe_text(start, limit=80)}", hint="start from one it has")
    heads = gate.branch_heads()
    for note in (*_sync_notes(synced, scope), *_start_notes(gate, synced, heads, branch)):
        on_line(f"note: {safe_text(note)}")
    if repo.kind == "path" and (changed := uncommitted(Path(repo.address))):
        names = ", ".join(changed[:3]) + (", …" if len(changed) > 3 else "")
        on_line(f"note: what is not committed in {safe_text(repo.address)} stays there: {safe_text(names, limit=300)}")
    return Mirrored(gate, heads, start or synced.start)


def _holds(gate: GitGate, commit: str) -> bool:
    """Whether a mirror is there and has a commit, given by its whole identifier."""
    if _COMMIT.fullmatch(commit) is None or not gate.path.exists():
        return False
    return run_git("cat-file", "-e", f"{commit}^{{commit}}", git_dir=gate.path, check=False).returncode == 0


def copy_references(
    config: SandboxConfig, scope: str, references: Iterable[Reference], on_line: OnLine
) -> dict[str, Path]:
    """Bring mirrors of repositories to read up to date, and return a copy of each by name.

    Raises as `mirror` does; RequestError for one that cannot be copied.
    """
    copies = {}
    for name, address, branch in references:
        mirrored = mirror(config, resolve_repo(address), f"{scope}.{name}", None, on_line, branch)
        copy = mirrored.gate.seed(clone_cache_dir())
        if copy is None:
            raise RequestError(
                f"the repository {name} could not be copied", hint=f"`terok-executor sandbox gate gc {scope}.{name}`"
            )
        copies[name] = copy
    return copies


def _sync_notes(synced: GateSyncResult, scope: str) -> Iterator[str]:
    for operation in synced.pending[:MAX_NOTES]:
        yield f"{operation.name} has changed upstream and waits for you: `terok-executor sandbox gate ops {scope}`"
    yield from synced.notes[:MAX_NOTES]
    yield from (f"not brought up to date: {error}" for error in synced.errors[:MAX_NOTES])


def _start_notes(gate: GitGate, synced: GateSyncResult, heads: Mapping[str, str], branch: str | None) -> Iterator[str]:
    """Yield a note about commits of agents in the gate's branch that nobody has promoted to the upstream."""
    name = branch or synced.default_branch
    if name is None or name not in heads or (branch is None and heads[name] == synced.start):
        return
    sides = gate.compare_vs_upstream(name)
    if sides is None:
        yield f"the branch {name} is not in the upstream; work goes on from what an earlier run has pushed"
    elif sides.ahead and branch is not None:
        yield f"{sides.ahead} commits on {name} are not in the upstream; work goes on from them"
    elif sides.ahead:
        yield f"{sides.ahead} commits on {name} in the gate are not in the upstream; this run starts without them"


@contextmanager
def claimed_task(
    sandbox: Sandbox,
    record: RunRecord,
    *,
    prompt: str | None = None,
    state_dirs: Iterable[str] = (),
    kept: bool = False,
) -> Iterator[Claim]:
    """Claim the name of a run and write its task's files; the block launches the container with the claim it is given.

    On any error in the block all of it is removed again. RequestError for a name in use. Files of an earlier container
    of this name are removed first or, with `kept`, taken up and never removed.
    """
    name = record.container
    directory = task_dir(name)
    # One lock until the container runs: a second run of this name must not remove the first one's tokens and files.
    with name_refusals(name), sandbox.claim(name) as claim, ExitStack() as undo:
        if directory.exists() and not kept:  # of a container that was removed by other means
            _discard_files(sandbox, name)
        undo.callback(_revoke if kept else _discard_files, sandbox, name)
        if kept:
            _take_up(directory, record)
        prepare_task_dir(directory, prompt=prompt, state_dirs=state_dirs)
        save_record(directory, record)
        yield claim
        undo.pop_all()


@contextmanager
def name_refusals(name: str) -> Iterator[None]:
    """Turn the sandbox's refusal of a name in use into a RequestError that names the executor's own commands."""
    try:
        yield
    except NameTaken:
        hint = f"choose another --name, or `terok-executor rm {name}`"
        raise RequestError(f"a container named {name} exists already", hint=hint) from None


def make_record(
    task: Task,
    request: LaunchRequest,
    image: str,
    source: Mirrored | None,
    *,
    agent: str,
    provider: str,
    **more: Any,
) -> RunRecord:
    """Return the record of a launch with `image` and a repository from `source`."""
    return RunRecord(
        container=task.name,
        agent=agent,
        provider=provider,
        scope=task.scope if source is not None else "",
        image=image,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        timeout=request.timeout,
        heads=dict(source.heads) if source is not None else {},
        **more,
    )


def _take_up(directory: Path, record: RunRecord) -> None:
    """Make the start script go on with the workspace of an earlier container, and with its conversation if it can."""
    home = ensure_dir(directory / "home")
    known, going_on = home / "base-refs", home / "next-command"
    # Where the agent's own state is gone with the files, what the gate has is what need not be handed over.
    if known.exists() and record.continue_command:
        write_sensitive_file(going_on, shlex.join(record.continue_command) + "\n")
    elif not known.exists():
        write_sensitive_file(known, "".join(f"{oid}\n" for oid in sorted(set(record.heads.values()))))


def _revoke(sandbox: Sandbox, name: str) -> None:
    """Revoke the tokens of a container, as far as possible."""
    with suppress(TerokError):
        revoke_phantoms(sandbox.config, name)


def _discard_files(sandbox: Sandbox, name: str) -> None:
    """Revoke the tokens and remove the files of a container, as far as possible."""
    _revoke(sandbox, name)
    with suppress(TerokError):
        remove_tree(task_dir(name))


def seed_workspace_from_clone_cache(workspace: Path, scope: str, origin_url: str, cfg: SandboxConfig) -> bool:
    """Put the repository of the mirror `scope` into an empty directory, with `origin_url` as its origin.

    Nothing is checked out: the container's start script does that after fetching newer commits. No container may have
    the directory yet, because git runs in it. Returns False, with the directory unchanged, if there is no such mirror,
    it is too small to be worth a copy, or the copy fails; a clone through the gate has the same result.
    """
    with suppress(TerokError, OSError):
        seed = GitGate.open(scope, base=cfg.gate_base_path).seed(clone_cache_dir())
        return seed is not None and seed_workspace(seed, workspace, origin_url)
    return False
