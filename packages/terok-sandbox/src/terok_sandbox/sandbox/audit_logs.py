"""Where the audit logs of a container are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from terok_sandbox.config import SandboxConfig


def audit_logs(config: SandboxConfig, container: str) -> dict[str, Path]:
    """Return the audit logs of a container by the wall that writes them; a wall without rows has no file."""
    gateway = config.gateway_dir(container)
    return {
        "vault": config.container_state_dir(container) / "vault-audit.jsonl",
        "shield": gateway / "shield-audit.jsonl",
        "gate": gateway / "gate-audit.jsonl",
    }
