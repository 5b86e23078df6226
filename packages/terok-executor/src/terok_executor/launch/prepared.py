"""Launches what the caller has put together: the lowest level, with the sandbox's guarantees and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok_util import ensure_dir

from terok_executor.errors import BuildError, RequestError
from terok_executor.integrations.sandbox import GpuConfigError, RunSpec, Wiring, make_sidecar
from terok_executor.krun import require_krun
from terok_executor.paths import checked_container_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from terok_executor.integrations.sandbox import LifecycleHooks, Sandbox, VolumeSpec


def write_supervisor_sidecar(sandbox: Sandbox, spec: RunSpec) -> Path:
    """Write the file that wires a container to its supervisor, 0600, and return its path.

    Every launch does this; by itself it is for a container that somebody else creates. SandboxError if it cannot be.
    """
    path = sandbox.config.sidecar_path(spec.container_name)
    ensure_dir(path.parent)
    make_sidecar(sandbox.config, spec).save(path)
    return path


def launch_prepared(
    sandbox: Sandbox,
    *,
    env: Mapping[str, str],
    volumes: Iterable[VolumeSpec],
    image: str,
    command: Iterable[str],
    name: str,
    task_dir: Path,
    gpus: str | None,
    memory: str | None,
    cpus: float | None,
    unrestricted: bool,
    sealed: bool,
    ephemeral: bool,
    hooks: LifecycleHooks | None,
    extra_args: Iterable[str],
    hostname: str | None,
    annotations: Mapping[str, str] | None,
    runtime: str | None,
    project_id: str,
    task_id: str,
    dossier_path: Path | None,
    wiring: Wiring | None,
) -> str:
    """Launch a container and return its name, see `AgentRunner.launch_prepared`."""
    if runtime == "krun":
        require_krun()
    notes = {**(annotations or {}), **({"dossier.meta_path": str(dossier_path)} if dossier_path else {})}
    if wiring is not None and project_id and wiring.scope != project_id:
        raise RequestError(f"the project is {project_id}, its wiring is that of {wiring.scope or 'none'}")
    spec = RunSpec(
        container_name=checked_container_name(name),
        image=image,
        env={**env, **({"TASK_ID": task_id} if task_id else {})},
        volumes=tuple(volumes),
        command=tuple(command),
        task_dir=task_dir,
        memory=memory,
        cpus=cpus,
        gpus=gpus,
        unrestricted=unrestricted,
        sealed=sealed,
        ephemeral=ephemeral,
        extra_args=tuple(extra_args),
        hostname=hostname,
        annotations=notes,
        runtime=runtime,
        wiring=wiring or Wiring(scope=project_id),
    )
    try:
        sandbox.run(spec, hooks)
    except GpuConfigError as error:
        raise BuildError(error.message, hint=error.hint) from error
    return name
