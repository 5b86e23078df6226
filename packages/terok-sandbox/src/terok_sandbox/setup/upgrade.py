"""Bring the files of containers that an earlier version launched to where this one keeps them."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from terok_util import TerokError, ensure_dir

from terok_sandbox.audit import rotated
from terok_sandbox.clearance.journal import JOURNAL_FILE
from terok_sandbox.launch.resources import SHIELD_AUDIT, launch_lock
from terok_sandbox.sidecar import Sidecar
from terok_sandbox.supervise import client
from terok_sandbox.values.posture import LIVE_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from terok_sandbox.config import SandboxConfig


def upgrade_state(config: SandboxConfig) -> list[str]:
    """Upgrade every container's files; returns a line for each that was upgraded or could not be.

    Nothing of a container is touched while it is supervised, nor what cannot be read: such a container does not start,
    and its line says what to do. Interrupted at any point, it goes on where it was.
    """
    lines = []
    for path in sorted(config.sidecar_dir.glob("*.json")):
        try:
            lines += _upgrade(config, path)
        except (TerokError, OSError) as error:
            hint = f"; {error.hint}" if isinstance(error, TerokError) and error.hint else ""
            lines.append(f"{path.stem} is not upgraded: {error}{hint.replace('NAME', path.stem)}")
    return lines


def _upgrade(config: SandboxConfig, path: Path) -> list[str]:
    """Give the gateway a directory of its own; before, its files lay among those of broker and supervisor."""
    sidecar = Sidecar.load(path)
    name, old = sidecar.container_name, sidecar.gateway_dir
    if old != sidecar.state_dir:
        return []
    with launch_lock(config, name):
        with suppress(client.NotRunningError):
            client.status(config, name)
            return [f"{name} runs and is not upgraded: stop it and run `terok-sandbox setup` again"]
        new = ensure_dir(old / "gateway")
        audit = old / SHIELD_AUDIT
        moved = [one for one in (audit, rotated(audit), old / LIVE_FILE, old / JOURNAL_FILE) if one.exists()]
        for one in moved:  # linked, so that a denial in them counts wherever the sidecar points
            (new / one.name).unlink(missing_ok=True)
            os.link(one, new / one.name)
        shield = replace(sidecar.shield, audit_path=new / SHIELD_AUDIT)
        replace(sidecar, shield=shield).save(path)
        for one in moved:
            one.unlink()
    return [f"{name} is upgraded"]
