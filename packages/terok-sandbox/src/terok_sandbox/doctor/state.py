"""Checks of what the sandbox itself keeps: setup, profiles, vault, fork server, files of containers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from terok_sandbox.doctor.check import CheckVerdict, DoctorCheck

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from terok_sandbox.config import SandboxConfig
    from terok_sandbox.sandbox.listing import SandboxRow

_NAMED: Final = 5
_SETUP: Final = ("terok-sandbox", "setup")


def state_checks(config: SandboxConfig, rows: Sequence[SandboxRow] | None) -> Iterator[DoctorCheck]:
    """Yield the checks of the sandbox's own state; `rows` is the list of its containers.

    Without one, because Podman did not answer, nothing is taken for a container's remains.
    """
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
    yield DoctorCheck(category="vault", label="outlives a reboot", evaluate=lambda *_: _recovery(config))
    yield DoctorCheck(category="supervision", label="fork server", evaluate=lambda *_: _forkserver(config))
    if rows is None:
        return
    known = {row.name for row in rows}
    present = {row.name for row in rows if row.state != "missing"}
    for name in _orphans(config, known):
        yield DoctorCheck(
            category="supervision",
            label=f"supervisor of {name}",
            evaluate=lambda *_: CheckVerdict("warn", "runs without a container", fixable=True),
            fix_cmd=("terok-sandbox", "supervisor", "stop", name),
            fix_description="stop it",
        )
    yield DoctorCheck(
        category="files",
        label="remains of containers",
        evaluate=lambda *_: _remains(config, present),
        fix_cmd=("terok-sandbox", "supervisor", "sweep"),
        fix_description="revoke their tokens and remove their files",
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


def _recovery(config: SandboxConfig) -> CheckVerdict:
    from terok_sandbox.vault.status import VaultStatus

    status = VaultStatus.load(config)
    if not status.warnings:
        return CheckVerdict("ok", f"passphrase kept in: {status.durable_tier}")
    return CheckVerdict("warn", "; ".join(status.warnings), hint="see `terok-sandbox vault status`")


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


def _remains(config: SandboxConfig, present: set[str]) -> CheckVerdict:
    from terok_sandbox.supervise.janitor import GRACE, known_traces

    latest = time.time() - GRACE
    gone = sorted(name for name, when in known_traces(config).items() if name not in present and when <= latest)
    if not gone:
        return CheckVerdict("ok", "none")
    more = f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else ""
    return CheckVerdict(
        "warn",
        f"of {', '.join(gone[:_NAMED])}{more}, which are gone",
        hint="run `terok-sandbox supervisor sweep`",
        fixable=True,
    )
