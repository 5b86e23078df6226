"""List the sandboxed containers of this user: their sidecars joined with the engine's containers."""

from __future__ import annotations

from typing import Final, NamedTuple

from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import SupervisorError
from terok_sandbox.runtime.protocol import ContainerRuntime
from terok_sandbox.values.host import ContainerState
from terok_sandbox.values.launch import SANDBOX_LABEL, SCOPE_LABEL

BARE: Final = "running without its wall"  # the words for a container that runs and is not supervised


class SandboxRow(NamedTuple):
    """One container; `missing` as its state means that only its files are left."""

    name: str
    state: str
    supervised: bool = False
    image: str = ""
    scope: str = ""
    id: str = ""

    @property
    def bare(self) -> bool:
        """Whether it runs although nothing supervises it: it then has no network, and what it does goes unrecorded."""
        return self.state == ContainerState.RUNNING.value and not self.supervised


def list_sandboxes(config: SandboxConfig, runtime: ContainerRuntime) -> list[SandboxRow]:
    """Return every container with a sidecar here, sorted by name; EngineError when the engine does not answer."""
    names = {path.stem for path in config.sidecar_dir.glob("*.json")}
    containers = {row.name: row for row in runtime.containers_with_prefix("") if SANDBOX_LABEL in row.labels}
    rows = []
    for name in sorted(names):
        row = containers.get(name)
        if row is None:
            rows.append(SandboxRow(name, ContainerState.MISSING.value))
            continue
        supervised = row.state is ContainerState.RUNNING and _supervised(config, name)
        scope = row.labels.get(SCOPE_LABEL, "")
        rows.append(SandboxRow(name, row.state.value, supervised, row.image, scope, row.id))
    return rows


def _supervised(config: SandboxConfig, name: str) -> bool:
    from terok_sandbox.supervise import client

    try:
        return bool(client.status(config, name).get("prepared"))
    except SupervisorError:
        return False
