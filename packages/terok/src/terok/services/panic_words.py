"""An emergency and its end in the words of a person. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from terok.services.panic import Report
    from terok.services.panic_evidence import Sealed
    from terok.services.panic_recovery import Cleared

FAILED: Final = "FAILED  "
"""A line that begins so says what could not be done."""


def report_lines(report: Report) -> Iterator[str]:
    """Yield what was cut off, what could not be, and what ends it."""
    number = f"{len(report.containers)} containers cut off after {report.cut_seconds:.2f} s"
    yield f"{number}, {report.tokens} tokens revoked"
    if report.stopped:
        yield f"{report.stopped} containers stopped"
    for cut in report.containers:
        if cut.killed:
            yield f"{cut.container} could not be closed and was killed: {cut.error}"
    yield from (f"{FAILED}{failure}" for failure in report.failures)
    if report.evidence is not None:
        yield _evidence(report.evidence)
    yield "nothing starts until `terok panic --clear`"


def cleared_lines(cleared: Cleared) -> Iterator[str]:
    """Yield what goes on again, and what a person has to see to."""
    yield f"the lockdown has ended; {len(cleared.restored)} tasks are queued to go on"
    yield from cleared.left
    yield from (f"{FAILED}{failure}" for failure in cleared.failures)
    if cleared.evidence is not None:
        yield _evidence(cleared.evidence)


def _evidence(sealed: Sealed) -> str:
    return f"evidence: {sealed.path} ({sealed.rows} rows, head {sealed.head})"
