"""Setup and uninstall, stage by stage, each idempotent."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from terok_util import FileLock, TerokError, atomic_write, ensure_dir, remove_tree

from terok_sandbox.audit import rotated
from terok_sandbox.clearance.autostart import install_autostart, remove_autostart
from terok_sandbox.clearance.journal import JOURNAL_FILE
from terok_sandbox.config import SandboxConfig
from terok_sandbox.config.host_files import conf_path
from terok_sandbox.config.model import CACHE
from terok_sandbox.errors import PrerequisiteMissing, SandboxError, SetupError
from terok_sandbox.launch.registry_hosts import learn_redirects
from terok_sandbox.launch.resources import launch_lock
from terok_sandbox.setup.containers_conf import add_hook_dir, remove_hook_dir
from terok_sandbox.setup.hooks import install_hooks, remove_hooks
from terok_sandbox.setup.prerequisites import Prerequisite, check_prerequisites
from terok_sandbox.setup.seccomp import base_path, install_profiles, remove_profiles
from terok_sandbox.setup.state import check_setup, read_receipt, refuse_downgrade
from terok_sandbox.sidecar import SHIELD_AUDIT, Sidecar
from terok_sandbox.supervise import client
from terok_sandbox.supervise.janitor import remember_store
from terok_sandbox.supervise.systemd import install_units, remove_units
from terok_sandbox.values.posture import LIVE_FILE
from terok_sandbox.vault.passphrase.change import move_to
from terok_sandbox.vault.passphrase.record import TierName, read_record
from terok_sandbox.vault.unlock import provision_session
from terok_sandbox.version import VERSION

LOCK_TIMEOUT: Final = 60.0
RECEIPT_SCHEMA: Final = 1


def require(checks: Sequence[Prerequisite]) -> None:
    """Raise PrerequisiteMissing for the first required thing that is not there."""
    if missing := [check for check in checks if check.required and not check.ok]:
        first, more = missing[0], f" (and {len(missing) - 1} more, see `terok-sandbox doctor`)" * (len(missing) > 1)
        raise PrerequisiteMissing(f"{first.name}: {first.detail}{more}", hint=first.hint)


def run_setup(
    config: SandboxConfig, report: Callable[[str, str], None], *, passphrase_tier: TierName | None = None
) -> None:
    """Set this user's host up, the receipt removed first and written last; `report` is told stages and outcomes."""
    checks = check_prerequisites()
    require(checks)
    report("prerequisites", ", ".join(check.name for check in checks if check.ok))
    ensure_dir(config.state_dir)
    with FileLock(config.setup_lock, timeout=LOCK_TIMEOUT):
        refuse_downgrade(read_receipt(config.receipt_path))
        config.receipt_path.unlink(missing_ok=True)  # from here until the end, no launch is allowed
        install_hooks(config)
        report("hooks", str(config.hooks_dir))
        inputs = install_profiles(config)
        report("seccomp", f"{config.seccomp_dir}, from {base_path()}")
        path = conf_path()
        changed = add_hook_dir(path, config.hooks_dir)
        report("podman", f"{path} {'names' if changed else 'already names'} the hook directory")
        report("vault", _provision_vault(config, passphrase_tier))
        for line in upgrade_state(config):
            report("containers", line)
        report("services", _set_up_services(config))
        report("notifier", _start_notifier_with_sessions())
        report("registries", learn_redirects(config))
        receipt = {"schema": RECEIPT_SCHEMA, "version": VERSION, "inputs": inputs, "containers_conf": str(path)}
        atomic_write(config.receipt_path, json.dumps(receipt, indent=1) + "\n", mode=0o600)
    check_setup(config)
    report("done", f"terok-sandbox {VERSION}")


def run_uninstall(config: SandboxConfig, report: Callable[[str, str], None]) -> None:
    """Take away what setup installed; credentials, mirrors and logs stay.

    A container that runs is to be stopped before, and those that are stopped lose what a bare `podman start` needs: it
    would have no firewall. Every stage is tried; the first error is raised at the end.
    """
    ensure_dir(config.state_dir)
    errors: list[SandboxError] = []
    with FileLock(config.setup_lock, timeout=LOCK_TIMEOUT):
        receipt = read_receipt(config.receipt_path)
        refuse_downgrade(receipt)
        names = sorted(path.stem for path in config.sidecar_dir.glob("*.json"))
        if running := [name for name in names if _is_supervised(config, name)]:
            raise SetupError(
                f"{', '.join(running)} still run", hint=f"stop them with `terok-sandbox stop {' '.join(running)}`"
            )
        config.receipt_path.unlink(missing_ok=True)  # nothing launches from here on
        stages: list[tuple[str, Callable[[], str]]] = [
            ("containers", lambda: _keep_from_starting(config, names)),
            ("services", lambda: remove_units(config)),
            ("fork server", lambda: "stopped" if client.stop_forkserver(config) else "not running"),
            ("podman", lambda: _forget_hook_dir(config, receipt.get("containers_conf"))),
            ("hooks", lambda: "removed" if remove_hooks(config) else "none installed"),
            ("seccomp", lambda: "removed" if remove_profiles(config) else "none installed"),
            ("notifier", _forget_notifier),
            ("host facts", lambda: _forget_facts(config)),
        ]
        for stage, act in stages:
            try:
                report(stage, act())
            except (OSError, TerokError) as error:
                report(stage, f"failed: {error}")
                errors.append(error if isinstance(error, SandboxError) else SetupError(f"{stage}: {error}"))
    if errors:
        raise errors[0]
    report("done", "credentials, mirrors and logs are kept")


def _provision_vault(config: SandboxConfig, tier: TierName | None) -> str:
    provision_session(config, tier=tier)
    if tier is not None and read_record(config).tier != tier:
        move_to(config, tier)
    return f"{config.db_path}, passphrase kept in: {_TIER_TEXT[read_record(config).tier]}"


_TIER_TEXT: Final = {
    "systemd-creds": "a systemd credential sealed to this machine",
    "keyring": "the desktop's keyring",
    "file": "an owner-only file (protects against other users and in backups without it, not against this account)",
    "none": "no durable place; write the recovery key down (`terok-sandbox vault passphrase reveal`)",
}


def _set_up_services(config: SandboxConfig) -> str:
    """Have a fork server of this version running, and the janitor know where Podman keeps its containers."""
    remember_store(config)
    outcome = install_units(config)
    client.renew_forkserver(config)
    return outcome


def _is_supervised(config: SandboxConfig, name: str) -> bool:
    with suppress(client.NotRunningError):
        return bool(client.status(config, name).get("prepared"))
    return False


def _keep_from_starting(config: SandboxConfig, names: Sequence[str]) -> str:
    """Remove the mounted runtime directories, which only our own start makes again: Podman knows no hook any more."""
    for name in names:
        remove_tree(config.container_runtime_dir(name))
    return f"{', '.join(names)} cannot start until the next setup" if names else "none"


def _start_notifier_with_sessions() -> str:
    """Have desktop notifications where this is a person's desktop session and no private installation."""
    if os.environ.get("TEROK_ROOT") or not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "no desktop session here; `terok-sandbox clearance notify --install` has it started later"
    return f"{install_autostart()[0]} starts it with the next session"


def _forget_notifier() -> str:
    removed = [] if os.environ.get("TEROK_ROOT") else remove_autostart()
    return ", ".join(map(str, removed)) + " removed" if removed else "none installed"


def _forget_facts(config: SandboxConfig) -> str:
    config.host_facts_path.unlink(missing_ok=True)
    if (kept := config.state_dir / CACHE).exists():
        remove_tree(kept)
    return "forgotten"


def _forget_hook_dir(config: SandboxConfig, recorded: object) -> str:
    paths = {conf_path(), *([Path(recorded)] if isinstance(recorded, str) else [])}
    changed = [str(path) for path in sorted(paths) if remove_hook_dir(path, config.hooks_dir)]
    return f"{', '.join(changed)} no longer names the hook directory" if changed else "nothing to change"


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
        moved = [file for file in (audit, rotated(audit), old / LIVE_FILE, old / JOURNAL_FILE) if file.exists()]
        for file in moved:  # linked, so that a denial in them counts wherever the sidecar points
            (new / file.name).unlink(missing_ok=True)
            os.link(file, new / file.name)
        shield = replace(sidecar.shield, audit_path=new / SHIELD_AUDIT)
        replace(sidecar, shield=shield).save(path)
        for file in moved:
            file.unlink()
    return [f"{name} is upgraded"]
