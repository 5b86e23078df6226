"""Destructive verbs: each is recorded with what takes it back before it acts, and finished after a crash.

A kind of operation is a module with three functions of (services, details): `carry_out`, which may be called again
after it was interrupted at any step, `take_back`, and `give_up`, after which it can no longer be taken back.
"""

from __future__ import annotations

import time
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from terok_util import TerokError

from terok.errors import TaskError
from terok.store import Lease, is_alive, own_lease

if TYPE_CHECKING:
    from collections.abc import Mapping

    from terok.model.task import Operation
    from terok.services.task_ends import TaskEnds

KINDS: Final = {
    "task.delete": "terok.services.deletion",
    "task.archive": "terok.services.archive",
    "review.reject": "terok.services.rejection",
    "project.delete": "terok.services.project_deletion",
}
"""The module of every kind."""
DAY: Final = 86400.0
_MANY: Final = 100_000


class Operations:
    """Operations: done so that they can be taken back."""

    def __init__(self, tasks: TaskEnds) -> None:
        self._tasks = tasks
        self._store = tasks.store

    def run(self, verb: str, subject: str, summary: str, kind: str, details: Mapping[str, Any]) -> int:
        """Record an operation, carry it out, and return its number.

        Whatever is raised on the way, what was done until then can be taken back, and `finish` goes on with it.
        """
        inverse = {"kind": kind, **details}
        expires = time.time() + self._tasks.keep_days * DAY
        with self._store.write() as writer:
            number = writer.record_operation(verb, subject, summary, inverse, expires=expires)
            writer.set(_lease(number), own_lease())
        self._carry_out(number, inverse)
        self._tasks.wake_controller()
        return number

    def log(self, limit: int | None = None) -> list[Operation]:
        """Return operations, the newest first."""
        return self._store.operations(_MANY if limit is None else limit)

    def undo(self, number: int | None = None) -> Operation:
        """Take an operation back, by default the last that can be; TaskError if that is not possible."""
        operation = self._chosen(number)
        if operation.state in ("undone", "expired"):
            raise TaskError(f"operation {operation.id} is {operation.state} already", hint="see `terok op log`")
        _module(operation).take_back(self._tasks, operation.inverse)
        with self._store.write() as writer:
            for before in ("open", "done"):
                writer.move_operation(operation.id, before, "undone")
            writer.set(_lease(operation.id), None)
        return operation

    def finish(self) -> list[TerokError]:
        """Go on with operations whose process has ended in the middle; return what still goes wrong."""
        failed = []
        for operation in self.log():
            if operation.state == "open" and not self._is_held(operation.id):
                try:
                    self._carry_out(operation.id, operation.inverse)
                except TerokError as error:
                    failed.append(error)
        return failed

    def expire(self, now: float) -> float | None:
        """Give up what was to be kept until `now`; return when the next one is due, None if there is none."""
        due = None
        for operation in self.log():
            if operation.state not in ("open", "done") or operation.expires is None:
                continue
            if operation.expires > now:
                due = operation.expires if due is None else min(due, operation.expires)
                continue
            _module(operation).give_up(self._tasks, operation.inverse)
            with self._store.write() as writer:
                writer.move_operation(operation.id, operation.state, "expired")
        return due

    def of_task(self, task_id: str, kind: str) -> Operation | None:
        """Return the last operation of a kind about a task that can be taken back."""
        return next(
            (
                one
                for one in self.log()
                if one.state in ("open", "done")
                and (one.inverse.get("kind"), one.inverse.get("task")) == (kind, task_id)
            ),
            None,
        )

    def _carry_out(self, number: int, inverse: Mapping[str, Any]) -> None:
        import_module(KINDS[str(inverse["kind"])]).carry_out(self._tasks, inverse)
        with self._store.write() as writer:
            writer.move_operation(number, "open", "done")
            writer.set(_lease(number), None)

    def _chosen(self, number: int | None) -> Operation:
        for operation in self.log():
            if number == operation.id or (number is None and operation.state in ("open", "done")):
                return operation
        if number is None:
            raise TaskError("there is nothing to undo", hint="`terok op log --all` lists what was done")
        raise TaskError(f"there is no operation {number}", hint="see `terok op log`")

    def _is_held(self, number: int) -> bool:
        kept = self._store.setting(_lease(number))
        return kept is not None and is_alive(Lease(*kept))


def _lease(number: int) -> str:
    return f"operation/{number}"


def _module(operation: Operation) -> Any:
    return import_module(KINDS[str(operation.inverse["kind"])])
