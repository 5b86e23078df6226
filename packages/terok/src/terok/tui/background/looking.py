"""Reading what screens of their own show: operations, use, storage, health and the lockdown. Jobs for threads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from terok.tui.views.panic import Lockdown
from terok.tui.views.sickbay import Remark, remarks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from terok.model.money import By
    from terok.model.task import Operation
    from terok.services.storage import Held
    from terok.services.storage_cleaning import Unneeded
    from terok.services.usage import Spending

MOST_OPERATIONS = 500


def read_operations() -> list[Operation]:
    """Return operations, the newest first."""
    from terok.services import Tasks

    with Tasks(create=False) as tasks:
        return tasks.operations.log(MOST_OPERATIONS)


def read_usage(by: By, since: str | None, task: str = "") -> Spending:
    """Return the use since a time, of one task if it is given."""
    from terok.services.tasks_base import TaskBase
    from terok.services.usage import Usage

    with TaskBase(create=False) as tasks:
        chosen = tasks.store.task(task) if task else None
        return Usage(tasks.store).spending(by, since, None, now=time.time(), task=chosen)


def read_storage() -> Held:
    """Measure everything on disk."""
    from terok.services import Tasks
    from terok.services.storage import Storage

    with Tasks(create=False) as tasks:
        return Storage(tasks).held()


def find_unneeded() -> tuple[list[Unneeded], list[str]]:
    """Return what is not needed, and what could not be asked about; nothing is removed."""
    from terok.services import Tasks
    from terok.services.storage_cleaning import Cleaning

    with Tasks(create=False) as tasks:
        cleaning = Cleaning(tasks)
        return cleaning.found(), cleaning.failures


def remove_unneeded(seen: Sequence[Unneeded]) -> list[Unneeded]:
    """Remove what a person has seen, as far as it is not needed still; return it with why something is still there."""
    from terok.services import Tasks
    from terok.services.storage_cleaning import Cleaning

    names = {(one.kind, one.name) for one in seen}
    with Tasks(create=False) as tasks:
        cleaning = Cleaning(tasks)
        return cleaning.remove(one for one in cleaning.found() if (one.kind, one.name) in names)


def examine(project: str = "", *, fix: bool = False) -> tuple[Remark, ...]:
    """Look at the health of everything, or of a project, and with `fix` mend what can be mended safely."""
    from terok.services.health import Sickbay

    return remarks(Sickbay().examine(project or None, fix=fix))


def read_lockdown() -> Lockdown:
    """Return whether nothing may start."""
    from terok.services.panic import Panic

    panic = Panic()
    return Lockdown(panic.locked(), panic.since())


def cut_off() -> list[str]:
    """Cut every container off, and return what was done."""
    from terok.services.panic import Panic
    from terok.services.panic_words import report_lines

    return [*report_lines(Panic().engage())]


def end_lockdown(say: Callable[[str], None]) -> list[str]:
    """End the lockdown, and return what goes on again."""
    from terok.services import Tasks
    from terok.services.panic import Panic, emergency_sandbox
    from terok.services.panic_recovery import clear
    from terok.services.panic_words import cleared_lines

    sandbox = emergency_sandbox()
    if not Panic(sandbox).locked():
        return ["there is no lockdown"]
    with Tasks(say=say) as tasks:
        return [*cleared_lines(clear(tasks, sandbox))]
