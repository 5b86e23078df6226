"""Where the audit logs of a container are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok_sandbox.sidecar import GATE_AUDIT, SHIELD_AUDIT, VAULT_AUDIT

if TYPE_CHECKING:
    from pathlib import Path

    from terok_sandbox.config import SandboxConfig


def audit_logs(config: SandboxConfig, container: str) -> dict[str, Path]:
    """Return the audit logs of a container by the wall that writes them; a wall without rows has no file."""
    gateway = config.gateway_dir(container)
    return {
        "vault": config.container_state_dir(container) / VAULT_AUDIT,
        "shield": gateway / SHIELD_AUDIT,
        "gate": gateway / GATE_AUDIT,
    }
