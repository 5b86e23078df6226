"""What every launch has in common: a name of its own, the mirror, the task's files, and taking all of it back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from terok_util import FileLock, TerokError, ensure_dir, remove_tree

from terok_executor.credentials import revoke_phantoms
from terok_executor.errors import RequestError
from terok_executor.integrations.sandbox import ContainerState, GitGate, NameTaken
from terok_executor.launch.task_files import RunRecord, prepare_task_dir, save_record
from terok_executor.paths import state_dir, task_dir

if TYPE_CHECKING:
    from terok_executor.image.podman import OnLine
    from terok_executor.integrations.sandbox import LifecycleHooks, RepoSource, RunSpec, Sandbox, SandboxConfig

LAUNCH_LOCK_SECONDS = 300.0


def mirror(config: SandboxConfig, repo: RepoSource, scope: str, on_line: OnLine) -> GitGate:
    """Bring the repository's mirror up to date and return it."""
    gate = GitGate(scope, base=config.gate_base_path, upstream=repo.address)
    on_line(f"mirroring {repo.address}")
    gate.sync()
    return gate


def launch_task(
    sandbox: Sandbox,
    record: RunRecord,
    make_spec: Callable[[], RunSpec],
    *,
    prompt: str | None = None,
    state_dirs: Iterable[str] = (),
    hooks: LifecycleHooks | None = None,
) -> None:
    """Write the task's files and launch its container; on any error all of it is removed again.

    ``make_spec`` is called when the task's directory is there, and may write into it.
    """
    name = record.container
    ensure_dir(state_dir())
    # Two runs asked for under one name: the second must not take the first one's token and files away.
    with FileLock(state_dir() / "launch.lock", timeout=LAUNCH_LOCK_SECONDS):
        claim_name(sandbox, name)
        with ExitStack() as undo:
            undo.callback(_discard_files, sandbox, name)
            prepare_task_dir(task_dir(name), prompt=prompt, state_dirs=state_dirs)
            save_record(task_dir(name), record)
            try:
                sandbox.run(make_spec(), hooks)
            except NameTaken:
                raise _taken(name) from None
            undo.pop_all()


def claim_name(sandbox: Sandbox, name: str, *, certain: bool = False) -> None:
    """Refuse a name in use; clear away what a container removed by other means has left, its tokens above all.

    Podman, which refuses a second container of a name itself, is asked only if there are files of one, or to be
    ``certain`` before work is done that takes long.
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
