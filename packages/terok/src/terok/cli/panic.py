"""`terok panic`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from terok_util import Progress, UsageError, may_ask, show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from terok.services.panic import Report
    from terok.services.panic_recovery import Cleared


def panic(stop: bool, clear: bool, yes: bool, as_json: bool) -> int:
    """Cut everything off, or end the lockdown; 1 if something could not be done."""
    from terok.services.panic import Panic

    if clear:
        return _clear(yes=yes, as_json=as_json)
    _confirm("panic", "cuts off every container and revokes its tokens", yes=yes)
    report = Panic().engage(stop=stop)
    show(report, as_json, _lines(report))
    return 1 if report.failures else 0


def _clear(*, yes: bool, as_json: bool) -> int:
    from terok.services import Tasks
    from terok.services.panic import Panic, emergency_sandbox
    from terok.services.panic_recovery import clear

    sandbox = emergency_sandbox()
    if not Panic(sandbox).locked():
        show({"locked": False}, as_json, "there is no lockdown")
        return 0
    _confirm("clear", "lets tasks start again", yes=yes)
    with Progress() as say, Tasks(say=say) as tasks:
        cleared = clear(tasks, sandbox)
    show(cleared, as_json, _cleared(cleared))
    return 1 if cleared.failures else 0


def _confirm(word: str, effect: str, *, yes: bool) -> None:
    """Have the word typed; UsageError for anything else."""
    if yes:
        return
    if not may_ask():
        raise UsageError("there is no terminal to type the word on", hint="scripts say --yes")
    sys.stderr.write(f"this {effect}; type {word}: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != word:
        raise UsageError("nothing was done: the word was not typed")


def _lines(report: Report) -> Iterator[str]:
    number = f"{len(report.containers)} containers cut off after {report.cut_seconds:.2f} s"
    yield f"{number}, {report.tokens} tokens revoked"
    if report.stopped:
        yield f"{report.stopped} containers stopped"
    for cut in report.containers:
        if cut.killed:
            yield f"{cut.container} could not be closed and was killed: {cut.error}"
    yield from (f"FAILED  {failure}" for failure in report.failures)
    if report.evidence is not None:
        yield f"evidence: {report.evidence.path} ({report.evidence.rows} rows, head {report.evidence.head})"
    yield "nothing starts until `terok panic --clear`"


def _cleared(cleared: Cleared) -> Iterator[str]:
    yield f"the lockdown has ended; {len(cleared.restored)} tasks are queued to go on"
    yield from cleared.left
    yield from (f"FAILED  {failure}" for failure in cleared.failures)
    if cleared.evidence is not None:
        yield f"evidence: {cleared.evidence.path} ({cleared.evidence.rows} rows, head {cleared.evidence.head})"
