"""Remove containers, and everything the host keeps of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from terok_util import TerokError

from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import ContainerNotFound
from terok_sandbox.launch.resources import launch_lock, put_usage_together, remove_files, revoke_tokens
from terok_sandbox.launch.supervision import LaunchSupervisor
from terok_sandbox.runtime.protocol import ContainerRuntime, RemoveResult
from terok_sandbox.values.launch import SANDBOX_LABEL


def remove_container(
    config: SandboxConfig, runtime: ContainerRuntime, supervision: LaunchSupervisor, name: str
) -> RemoveResult:
    """Remove container `name` and what is kept of it; one that is not sandboxed is left alone."""
    with launch_lock(config, name):
        try:
            if not is_sandboxed(config, runtime, name):
                return RemoveResult(name, f"is not sandboxed; `podman rm {name}` removes it")
            result = runtime.force_remove([name])[0]
            if result.removed:
                forget_container(config, supervision, name)
        except (TerokError, OSError) as error:
            return RemoveResult(name, str(error))
    return result


def is_sandboxed(config: SandboxConfig, runtime: ContainerRuntime, name: str) -> bool:
    """Whether container `name` is one of ours; one that does not exist counts as such."""
    if config.sidecar_path(name).exists():
        return True
    try:
        return SANDBOX_LABEL in runtime.container(name).labels
    except ContainerNotFound:
        return True


def forget_container(config: SandboxConfig, supervision: LaunchSupervisor, name: str) -> None:
    """Revoke tokens, end the supervisor, remove the files; every step is tried, then the first error is raised."""
    errors: list[Exception] = []
    steps: list[Callable[[], Any]] = [
        lambda: supervision.end(config, name),
        lambda: revoke_tokens(config, name),
        lambda: remove_files(config, name),
        lambda: put_usage_together(config, name),
    ]
    for step in steps:
        try:
            step()
        except (TerokError, OSError) as error:
            errors.append(error)
    if errors:
        raise errors[0]
