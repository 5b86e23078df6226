"""The checks of the sandbox, as checks of ours: host, set-up, vault, supervision, and the inside of containers."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Final

from terok_util import TerokError
from terok_util.process import run

from terok.integrations.executor import AgentRoster, agent_doctor_checks
from terok.integrations.sandbox import container_checks, examine, host_checks, state_checks
from terok.services.at_once import at_once
from terok.services.checks import PATIENCE, Check, Finding, Level, without_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from terok.integrations.sandbox import DoctorCheck, SandboxRow
    from terok.services.health_view import View

FIX_SECONDS: Final = 120.0
_LEVELS: Final[dict[str, Level]] = {"ok": "ok", "warn": "warn", "error": "error"}


def of_host(view: View) -> Iterator[Check]:
    """Yield the checks of this host and of the sandbox's own state."""
    config = view.sandbox.config
    sources: dict[str, Callable[[], list[DoctorCheck]]] = {
        "host": lambda: [*host_checks(view.facts.value, view.refusal)],
        "state": lambda: [*state_checks(config, view.rows.value)],
    }
    for name, made in zip(sources, at_once(sources.values(), seconds=PATIENCE / 2), strict=True):
        if made.value is not None:
            yield from _each(made.value)
        else:
            yield Check(name, partial(_unknown, name, made.error))


def of_containers(view: View) -> Iterator[Check]:
    """Yield what can be told from outside about every running container, without a process in it."""
    for row in view.rows.value or ():
        if row.state == "running":
            outside = [one for one in container_checks(view.sandbox.config, row) if one.host_side]
            yield Check(f"container {row.name}", partial(_together, outside, view, row), "supervised")


def inside(view: View, row: SandboxRow) -> Iterator[Check]:
    """Yield what is asked inside one running container: names, gate, vault, tokens, and real keys in its files."""
    checks = [one for one in container_checks(view.sandbox.config, row) if not one.host_side]
    checks += agent_doctor_checks(view.sandbox.config, AgentRoster.load(), row.name)
    for check in checks:
        yield Check(f"{check.category} {check.label}", partial(_together, [check], view, row))


def _unknown(name: str, error: Exception | None) -> list[Finding]:
    """Say that a part of the sandbox's checks could not be made."""
    return [Finding(name, "error" if error else "warn", str(error or "did not answer"))]


def _each(checks: Iterable[DoctorCheck]) -> Iterator[Check]:
    for check in checks:
        yield Check(f"{check.category} {check.label}", partial(_together, [check]))


def _together(checks: Iterable[DoctorCheck], view: View | None = None, row: SandboxRow | None = None) -> list[Finding]:
    """Make checks, and return what is wrong; if all is well, what the first says."""
    runtime, container = (view.sandbox.runtime, row.name) if view is not None and row is not None else (None, "")
    found = []
    for one in examine(checks, runtime=runtime, container=container):
        fix = one.check.fix_cmd if one.verdict.fixable else ()
        mend = without_tasks(partial(_fix, fix)) if fix else None
        level = _LEVELS[one.verdict.severity]
        name = f"{one.check.category} {one.check.label}"
        found.append(Finding(name, level, one.verdict.detail, container, one.verdict.hint, mend))
    return [one for one in found if one.level != "ok"] or found[:1]


def _fix(command: tuple[str, ...]) -> None:
    program = [sys.executable, "-P", "-m", "terok_sandbox"] if command[0] == "terok-sandbox" else [command[0]]
    done = run([*program, *command[1:]], timeout=FIX_SECONDS, check=False)
    if done.returncode:
        raise TerokError(f"`{' '.join(command)}` ended with {done.returncode}: {done.err_text.strip()[:300]}")
