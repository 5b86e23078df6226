"""The check of an attempt that has ended: run once for each of its runs, whoever notices the end."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from terok_util import TerokError

from terok.services import review_checks
from terok.services.gates import Gates
from terok.services.race_work import check_of, tip_of
from terok.store.races import drop_check, end_check, race_of, take_check

if TYPE_CHECKING:
    from terok.model.race import Race
    from terok.model.task import Task
    from terok.services.task_launches import TaskLaunches


def run_check(tasks: TaskLaunches, task_id: str) -> bool:
    """Run the check of an attempt to its end; False if it is not to be run, or somebody else runs it.

    What keeps it from running is its outcome. If this process is killed, the next one runs it again, unless it had
    ended already.
    """
    with tasks.store.write() as writer:
        run = take_check(writer, task_id)
    if run is None:
        return False
    try:
        task = tasks.store.task(task_id)
        if (race := race_of(tasks.store, task.race)) is not None:
            with suppress(TerokError):  # which is kept as the outcome, or told by the gate to whoever looks
                _run(tasks, race, task)
        with tasks.store.write() as writer:
            end_check(writer, task_id, run)
    except BaseException:
        with tasks.store.write() as writer:
            drop_check(writer, task_id)
        raise
    return True


def _run(tasks: TaskLaunches, race: Race, task: Task) -> None:
    branch, tip, _ = tip_of(Gates(tasks), race, task)
    if not tip:
        return
    last = check_of(tasks.store, race, task.id, tip)
    if last is None or last.state in ("running", "broken off"):  # it says nothing about its commit
        review_checks.run_check(tasks, task, branch, tip, race.command)
