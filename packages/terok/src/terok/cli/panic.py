"""`terok panic`."""

from __future__ import annotations

import sys

from terok_util import Progress, UsageError, may_ask, show

from terok.services.panic_words import cleared_lines, report_lines


def panic(stop: bool, clear: bool, yes: bool, as_json: bool) -> int:
    """Cut everything off, or end the lockdown; 1 if something could not be done."""
    from terok.services.panic import Panic

    if clear:
        return _clear(yes=yes, as_json=as_json)
    _confirm("panic", "cuts off every container and revokes its tokens", yes=yes)
    report = Panic().engage(stop=stop)
    show(report, as_json, report_lines(report))
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
    show(cleared, as_json, cleared_lines(cleared))
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
