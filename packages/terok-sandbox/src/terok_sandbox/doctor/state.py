"""Checks of what the sandbox itself keeps: setup, profiles, vault, fork server, files of containers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from terok_sandbox.doctor.check import CheckVerdict, DoctorCheck

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from terok_sandbox.config import SandboxConfig
    from terok_sandbox.runtime.listing import SandboxRow

STRAY_GRACE: Final = 3600.0
"""Seconds for which files without a container may belong to a launch that has not come to it yet."""
_SETUP: Final = ("terok-sandbox", "setup")


def state_checks(config: SandboxConfig, rows: Sequence[SandboxRow]) -> Iterator[DoctorCheck]:
    """Yield the checks of the sandbox's own state; *rows* is the list of its containers."""
    yield DoctorCheck(
        category="setup",
        label="hooks and receipt",
        evaluate=lambda *_: _setup(config),
        fix_cmd=_SETUP,
        fix_description="set the host up again",
    )
    yield DoctorCheck(
        category="setup",
        label="seccomp profile current",
        evaluate=lambda *_: _profiles(config),
        fix_cmd=_SETUP,
        fix_description="derive the profiles from Podman's again",
    )
    yield DoctorCheck(category="vault", label="opens", evaluate=lambda *_: _vault(config))
    yield DoctorCheck(category="supervision", label="fork server", evaluate=lambda *_: _forkserver(config))
    known = {row.name for row in rows}
    for name in _orphans(config, known):
        yield DoctorCheck(
            category="supervision",
            label=f"supervisor of {name}",
            evaluate=lambda *_: CheckVerdict("warn", "runs without a container", fixable=True),
            fix_cmd=("terok-sandbox", "supervisor", "stop", name),
            fix_description="stop it",
        )
    for row in rows:
        if row.state == "missing":
            yield DoctorCheck(
                category="files",
                label=f"sidecar of {row.name}",
                evaluate=lambda *_, name=row.name: _stray(config, name),
                fix_cmd=("terok-sandbox", "rm", row.name),
                fix_description="revoke its tokens and remove its files",
            )


def _setup(config: SandboxConfig) -> CheckVerdict:
    from terok_sandbox.setup.state import check_setup
    from terok_sandbox.version import VERSION

    check_setup(config)
    return CheckVerdict("ok", f"for version {VERSION}")


def _profiles(config: SandboxConfig) -> CheckVerdict:
    from terok_sandbox.setup.seccomp import base_path, profiles_current

    if profiles_current(config):
        return CheckVerdict("ok", f"derived from {base_path()}")
    return CheckVerdict(
        "warn", f"{base_path()} has changed since setup", hint="run `terok-sandbox setup`", fixable=True
    )


def _vault(config: SandboxConfig) -> CheckVerdict:
    from terok_sandbox.vault.unlock import open_vault

    with open_vault(config) as vault:
        return CheckVerdict("ok", f"{len(vault.list_credentials())} credentials")


def _forkserver(config: SandboxConfig) -> CheckVerdict:
    from terok_sandbox.supervise import client

    try:
        supervisors = client.forkserver_status(config).get("supervisors") or {}
    except client.NotRunningError:
        return CheckVerdict("ok", "not running, starts when it is needed")
    return CheckVerdict("ok", f"runs, {len(supervisors)} supervisors")


def _orphans(config: SandboxConfig, known: set[str]) -> list[str]:
    from terok_sandbox.errors import SupervisorError
    from terok_sandbox.supervise import client

    try:
        return sorted(set(client.forkserver_status(config).get("supervisors") or {}) - known)
    except SupervisorError:
        return []


def _stray(config: SandboxConfig, name: str) -> CheckVerdict:
    try:
        age = time.time() - config.sidecar_path(name).stat().st_mtime
    except FileNotFoundError:
        return CheckVerdict("ok", "removed meanwhile")
    if age < STRAY_GRACE:
        return CheckVerdict("ok", "its container does not exist yet, or is just gone")
    return CheckVerdict("warn", "its container is gone", hint=f"run `terok-sandbox rm {name}`", fixable=True)
