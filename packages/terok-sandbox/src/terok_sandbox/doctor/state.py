"""Checks of the sandbox's own state: setup, profiles, vault, fork server, files of containers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from terok_sandbox.config import SandboxConfig
from terok_sandbox.doctor.check import CheckVerdict, DoctorCheck, direct_check
from terok_sandbox.sandbox.listing import SandboxRow

_NAMED: Final = 5


def state_checks(config: SandboxConfig, rows: Sequence[SandboxRow] | None) -> Iterator[DoctorCheck]:
    """Yield the checks of the sandbox's own state; without `rows`, of its containers, nothing is taken for remains."""
    of_setup = partial(direct_check, "setup", fix=("terok-sandbox", "setup"), description="set the host up again")
    yield of_setup("hooks and receipt", lambda: _setup(config))
    yield of_setup("seccomp profile current", lambda: _profiles(config))
    yield direct_check("vault", "opens", lambda: _vault(config))
    yield direct_check("vault", "outlives a reboot", lambda: _recovery(config))
    yield direct_check("supervision", "fork server", lambda: _forkserver(config))
    if rows is None:
        return
    for name in _orphans(config, {row.name for row in rows}):
        alone = CheckVerdict("warn", "runs without a container", fixable=True)
        stop = ("terok-sandbox", "supervisor", "stop", name)
        yield direct_check("supervision", f"supervisor of {name}", alone, fix=stop, description="stop it")
    present = {row.name for row in rows if row.state != "missing"}
    yield direct_check(
        "files",
        "remains of containers",
        lambda: _remains(config, present),
        fix=("terok-sandbox", "supervisor", "sweep"),
        description="revoke their tokens and remove their files",
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
    return CheckVerdict("warn", f"{base_path()} has changed since setup", fixable=True)


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
    return CheckVerdict("warn", f"of {', '.join(gone[:_NAMED])}{more}, which are gone", fixable=True)
