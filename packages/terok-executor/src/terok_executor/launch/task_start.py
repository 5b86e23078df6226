"""Steps of every launch: the mirror of its repository, a name of its own with files, and taking all of it back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from terok_util import FileLock, TerokError, ensure_dir, remove_tree, safe_text

from terok_executor.credentials import revoke_phantoms
from terok_executor.errors import RequestError
from terok_executor.integrations.sandbox import ContainerState, GitGate, NameTaken, seed_workspace, uncommitted
from terok_executor.launch.task_files import RunRecord, prepare_task_dir, save_record
from terok_executor.paths import clone_cache_dir, state_dir, task_dir

if TYPE_CHECKING:
    from terok_executor.image.podman import OnLine
    from terok_executor.integrations.sandbox import GateSyncResult, RepoSource, Sandbox, SandboxConfig
    from terok_executor.launch.request import LaunchRequest, Task


LAUNCH_LOCK_SECONDS = 300.0
MAX_NOTES = 5


@dataclass(frozen=True, slots=True)
class Mirrored:
    """A mirror brought up to date: its branches, and the commit that new work starts from (None: there is none)."""

    gate: GitGate
    heads: Mapping[str, str]
    start: str | None


def mirror(config: SandboxConfig, repo: RepoSource, scope: str, branch: str | None, on_line: OnLine) -> Mirrored:
    """Bring the repository's mirror up to date; says what a person who starts on `branch` ought to know of it."""
    gate = GitGate(scope, base=config.gate_base_path, upstream=repo.address, config=config)
    on_line(f"mirroring {repo.address}")
    synced = gate.sync()
    heads = gate.branch_heads()
    for note in (*_sync_notes(synced, scope), *_start_notes(gate, synced, heads, branch)):
        on_line(f"note: {safe_text(note)}")
    if repo.kind == "path" and (changed := uncommitted(Path(repo.address))):
        names = ", ".join(changed[:3]) + (", …" if len(changed) > 3 else "")
        on_line(f"note: what is not committed in {safe_text(repo.address)} stays there: {safe_text(names, limit=300)}")
    return Mirrored(gate, heads, synced.start)


def _sync_notes(synced: GateSyncResult, scope: str) -> Iterator[str]:
    for op in synced.pending[:MAX_NOTES]:
        yield f"{op.name} has changed upstream and waits for you: `terok-executor sandbox gate ops {scope}`"
    yield from synced.notes[:MAX_NOTES]
    yield from (f"not brought up to date: {error}" for error in synced.errors[:MAX_NOTES])


def _start_notes(gate: GitGate, synced: GateSyncResult, heads: Mapping[str, str], branch: str | None) -> Iterator[str]:
    """Say where the gate's branch has what the upstream has not: agents made that, and nobody has promoted it."""
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
    sandbox: Sandbox, record: RunRecord, *, prompt: str | None = None, state_dirs: Iterable[str] = ()
) -> Iterator[Path]:
    """Claim the name of a run, write its task's files and yield their directory while the block launches it.

    On any error in the block all of it is removed again. RequestError for a name in use.
    """
    name = record.container
    directory = task_dir(name)
    ensure_dir(state_dir())
    # Two runs asked for under one name: the second must not take the first one's token and files away.
    with FileLock(state_dir() / "launch.lock", timeout=LAUNCH_LOCK_SECONDS), ExitStack() as undo:
        claim_name(sandbox, name)
        undo.callback(_discard_files, sandbox, name)
        prepare_task_dir(directory, prompt=prompt, state_dirs=state_dirs)
        save_record(directory, record)
        try:
            yield directory
        except NameTaken:
            raise _taken(name) from None
        undo.pop_all()


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
    """Return the record of a launch with `image`, whose repository comes from `source`."""
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


def claim_name(sandbox: Sandbox, name: str, *, certain: bool = False) -> None:
    """Refuse a name in use; clear away what a container removed by other means has left, its tokens above all.

    Podman, which refuses a second container of a name itself, is asked only if there are files of one, or to be
    `certain` before work is done that takes long.
    """
    left = sandbox.config.sidecar_path(name).exists() or task_dir(name).exists()
    if (left or certain) and sandbox.runtime.container(name).state != ContainerState.MISSING:
        raise _taken(name)
    if sandbox.config.sidecar_path(name).exists():
        sandbox.rm(name)
    if task_dir(name).exists():
        _discard_files(sandbox, name)


def _taken(name: str) -> RequestError:
    return RequestError(
        f"a container named {name} exists already", hint=f"choose another --name, or `terok-executor rm {name}`"
    )


def _discard_files(sandbox: Sandbox, name: str) -> None:
    """Take back what was made for a container; what cannot be taken back is left."""
    with suppress(TerokError):
        revoke_phantoms(sandbox.config, name)
    with suppress(TerokError):
        remove_tree(task_dir(name))


def seed_workspace_from_clone_cache(workspace: Path, scope: str, origin_url: str, cfg: SandboxConfig) -> bool:
    """Put the repository of the mirror `scope` into an empty directory, with `origin_url` as its origin.

    Nothing is checked out: the container's start script does that, after it has fetched what is newer. No container may
    have the directory yet, since git runs in it. False, and the directory as it was, if there is no such mirror, it is
    too small to be worth a copy, or the copy cannot be made: a clone through the gate gives the same.
    """
    with suppress(TerokError, OSError):
        seed = GitGate.open(scope, base=cfg.gate_base_path).seed(clone_cache_dir())
        return seed is not None and seed_workspace(seed, workspace, origin_url)
    return False
