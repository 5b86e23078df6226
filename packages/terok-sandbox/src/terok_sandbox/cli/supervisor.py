"""Verbs about the processes that serve containers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from terok_util import show
from terok_util.text import safe_text

from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import SandboxError
from terok_sandbox.supervise import client


def start() -> None:
    """Start the fork server if none runs."""
    config = SandboxConfig.load()
    client.ensure_forkserver(config)
    print(f"fork server {client.forkserver_status(config).get('pid')}")


def stop(*, name: str | None) -> None:
    """Stop the fork server, or one container's supervisor."""
    config = SandboxConfig.load()
    stopped = client.stop_forkserver(config) if name is None else client.stop_supervisor(config, name)
    print("stopped" if stopped else "not running")


def status(*, name: str | None, as_json: bool) -> int:
    """Print the status of the fork server or of one supervisor; 1 when it does not run."""
    config = SandboxConfig.load()
    try:
        answer = client.forkserver_status(config) if name is None else client.status(config, name)
    except client.NotRunningError as error:
        show({"running": False}, as_json, error.message)
        return 1
    show({"running": True} | answer, as_json, _lines(answer))
    return 0


def redo(*, name: str) -> None:
    """Supervise a running container again."""
    from terok_sandbox.runtime.podman import PodmanRuntime

    config = SandboxConfig.load()
    pid = PodmanRuntime(config).container(name).pid
    if pid <= 0:
        raise SandboxError(f"container {name} does not run", hint=f"start it with `terok-sandbox start {name}`")
    print(f"{name} is supervised again, after {client.redo_handover(config, name, pid):.0f} ms")


def sweep() -> int:
    """Clear away the remains of containers that are gone; 1 when something could not be."""
    from terok_sandbox.runtime.podman import PodmanRuntime
    from terok_sandbox.supervise import janitor

    config = SandboxConfig.load()
    swept = janitor.sweep(config, PodmanRuntime(config))
    for name in swept.removed:
        print(f"{name} cleared away")
    for name, why in swept.failed.items():
        print(f"{name}: {safe_text(why)}")
    return 1 if swept.failed else 0


def _lines(answer: dict[str, Any], indent: str = "") -> Iterator[str]:
    for key, value in answer.items():
        nested = isinstance(value, dict)
        yield f"{indent}{key}:" if nested else f"{indent}{key}: {value}"
        if nested:
            yield from _lines(value, indent + "  ")
