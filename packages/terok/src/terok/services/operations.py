"""Destructive verbs: each is recorded with what takes it back before it acts, and finished after a crash.

A kind of operation is a module with three functions of (services, details): `carry_out`, which may be called again
after it was interrupted at any step, `take_back`, and `give_up`, after which it can no longer be taken back.
"""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from terok_util import TerokError, UsageError

from terok.errors import TaskBusy, TaskError
from terok.store import Lease, is_alive, own_lease
from terok.store.counting import counted_now

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from terok.model.task import Operation, OperationState
    from terok.services.task_ends import TaskEnds
    from terok.store import Writer
    from terok.store.reading import Reading

KINDS: Final = {
    "task.delete": "terok.services.deletion",
    "task.archive": "terok.services.archive",
    "review.promote": "terok.services.promotion",
    "review.reject": "terok.services.rejection",
    "project.delete": "terok.services.project_deletion",
    "race.keep": "terok.services.race_keeping",
    "race.delete": "terok.services.race_deletion",
}
"""The module of every kind."""
_KEPT: Final = frozenset({"task.archive", "race.keep"})
"""Kinds whose operations can be taken back for ever."""
_DELETIONS: Final = frozenset({"task.delete", "race.delete"})
"""Kinds that take tasks away, after which their project can be deleted."""
DAY: Final = 86400.0
_MANY: Final = 100_000


class Operations:
    """Operations: done so that they can be taken back."""

    def __init__(self, tasks: TaskEnds) -> None:
        self._tasks = tasks
        self._store = tasks.store

    def run(self, verb: str, subject: str, summary: str, kind: str, details: Mapping[str, Any]) -> int:
        """Record an operation, carry it out, and return its number.

        One with the same inverse that was cut off is gone on with. If it fails, what was done until then is
        taken back; after a kill, `finish` goes on with it.

        Raises:
            TaskBusy: Another process is at it.
        """
        inverse = {"kind": kind, **details}
        expires = None if kind in _KEPT else counted_now(self._store) + self._tasks.keep_days * DAY
        with self._store.write() as writer:
            number = next((one.id for one in self._same(writer, inverse) if one.state == "open"), None)
            if number is None:
                number = writer.record_operation(verb, subject, summary, inverse, expires=expires)
            lease = self._take(writer, number, "open")
        try:
            self._carry_out(number, inverse)
        except BaseException:
            with suppress(TerokError):
                _module(inverse).take_back(self._tasks, inverse)
                self._move(number, "open", "undone")
            raise
        finally:
            self._drop(number, lease)
        self._tasks.wake_controller()
        return number

    def log(self, limit: int | None = None) -> list[Operation]:
        """Return operations, the newest first."""
        return self._store.operations(_MANY if limit is None else limit)

    def undo(self, number: int | None = None) -> Operation:
        """Take an operation back, by default the last that can be, with all that would be taken back by the same.

        With tasks their projects come back, if those were deleted after them.

        Raises:
            TaskError: It cannot be taken back.
            TaskBusy: It is being carried out.
        """
        operation = self._chosen(number)
        if operation.state in ("undone", "expired"):
            raise TaskError(f"operation {operation.id} is {operation.state} already", hint="see `terok op log`")
        with self._store.write() as writer:
            lease = self._take(writer, operation.id, "open", "done")
        try:
            _module(operation.inverse).take_back(self._tasks, operation.inverse)
            with self._store.write() as writer:
                for one in self._same(writer, operation.inverse):
                    writer.move_operation(one.id, one.state, "undone")
        finally:
            self._drop(operation.id, lease)
        if operation.inverse["kind"] in _DELETIONS:
            self.bring_projects_back(_tasks_of(operation.inverse))
        return operation

    def finish(self) -> list[TerokError]:
        """Go on with operations whose process has ended in the middle; return what still goes wrong."""
        failed = []
        for operation in self.log():
            if operation.state != "open":
                continue
            try:
                self._go_on(operation)
            except TaskBusy:
                continue
            except TerokError as error:
                failed.append(error)
        return failed

    def go_on_with(self, **about: object) -> int | None:
        """Go on with an operation that was cut off and knows all of this; return its number, None if there is none."""
        for operation in self.log():
            if operation.state == "open" and about.items() <= operation.inverse.items():
                self._go_on(operation)
                return operation.id
        return None

    def expire(self, now: float) -> float | None:
        """Give up what was to be kept until `now` (counted time); return when the next one is due, if there is one.

        One that fails is said, and stays for the next time.
        """
        due = None
        for operation in self.log():
            if operation.state not in ("open", "done") or operation.expires is None:
                continue
            if operation.expires > now:
                due = operation.expires if due is None else min(due, operation.expires)
                continue
            try:
                self._give_up(operation)
            except TerokError as error:
                self._tasks.say(f"operation {operation.id} cannot expire: {error.message}")
        return due

    def of_task(self, task_id: str, kind: str) -> Operation | None:
        """Return the last operation of a kind about a task that can be taken back."""
        return next(iter(self._same(self._store, {"kind": kind, "task": task_id})), None)

    def bring_projects_back(self, task_ids: Collection[str]) -> None:
        """Take the deletion of the projects of tasks that are back too, or say that there is none.

        Without it they cannot start.
        """
        from terok.config.project import project_directories

        back = [task for task in self._store.tasks() if task.id in task_ids]
        for name in sorted({task.project for task in back} - project_directories().keys()):
            for one in self.log():
                if one.verb == "project delete" and one.subject == name and one.state in ("open", "done"):
                    self.undo(one.id)
                    self._tasks.say(f"note: project {name} was deleted too, and is back as well")
                    break
            else:
                places = ", ".join(str(self._tasks.directory(task)) for task in back if task.project == name)
                self._tasks.say(f"note: there is no project {name} any more: the work is in {places}")

    def whole(self, task_id: str) -> Operation | None:
        """Return the last operation that a task has gone with together with others, as those of a race."""
        found = (one for one in self.log() if one.state in ("open", "done"))
        return next((one for one in found if "tasks" in one.inverse and task_id in _tasks_of(one.inverse)), None)

    def _give_up(self, operation: Operation) -> None:
        """Let an operation expire; of several with one inverse the latest says how long things are kept."""
        with self._store.write() as writer:
            lease = self._take(writer, operation.id, "open", "done")
            latest = self._same(writer, operation.inverse)[0]
        try:
            if latest.id == operation.id:
                _module(operation.inverse).give_up(self._tasks, operation.inverse)
            self._move(operation.id, operation.state, "expired")
        finally:
            self._drop(operation.id, lease)

    def _go_on(self, operation: Operation) -> None:
        with self._store.write() as writer:
            lease = self._take(writer, operation.id, "open")
        try:
            self._carry_out(operation.id, operation.inverse)
        except UsageError:  # what it was to change has been changed by others since, as `run` would have said
            with suppress(TerokError):
                _module(operation.inverse).take_back(self._tasks, operation.inverse)
                self._move(operation.id, "open", "undone")
        finally:
            self._drop(operation.id, lease)

    def _carry_out(self, number: int, inverse: Mapping[str, Any]) -> None:
        _module(inverse).carry_out(self._tasks, inverse)
        self._move(number, "open", "done")

    def _chosen(self, number: int | None) -> Operation:
        for operation in self.log():
            if number == operation.id or (number is None and operation.state in ("open", "done")):
                return operation
        if number is None:
            raise TaskError("there is nothing to undo", hint="`terok op log --all` lists what was done")
        raise TaskError(f"there is no operation {number}", hint="see `terok op log`")

    @staticmethod
    def _same(store: Reading, inverse: Mapping[str, Any]) -> list[Operation]:
        """Return the operations with the same inverse that can be taken back, the newest first."""
        return [one for one in store.operations(_MANY) if one.state in ("open", "done") and one.inverse == inverse]

    def _take(self, writer: Writer, number: int, *states: str) -> list[object]:
        """Take an operation that is in one of these states, so that nobody else acts on it meanwhile."""
        state = next((one.state for one in writer.operations(_MANY) if one.id == number), None)
        kept = writer.setting(_lease(number))
        if state not in states or (kept is not None and is_alive(Lease(*kept[:3]))):
            raise TaskBusy(f"operation {number} is {state}, or somebody is at it", hint="see `terok op log`")
        lease = [*own_lease(), os.urandom(8).hex()]
        writer.set(_lease(number), lease)
        return lease

    def _drop(self, number: int, lease: list[object]) -> None:
        with self._store.write() as writer:
            if writer.setting(_lease(number)) == lease:
                writer.set(_lease(number), None)

    def _move(self, number: int, before: OperationState, after: OperationState) -> None:
        with self._store.write() as writer:
            writer.move_operation(number, before, after)


def _tasks_of(inverse: Mapping[str, Any]) -> list[str]:
    """Return the tasks that go with an operation."""
    return cast("list[str]", inverse["tasks"] if "tasks" in inverse else [inverse["task"]])


def _lease(number: int) -> str:
    return f"operation/{number}"


def _module(inverse: Mapping[str, Any]) -> Any:
    return import_module(KINDS[str(inverse["kind"])])
