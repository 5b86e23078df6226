"""Writing the database: one transaction, in which every change of a task also writes an event and a new judgement."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from terok.model.claims import Claim, answered, claims_to_json, with_claim
from terok.model.facts import OBSERVED, facts_to_json
from terok.model.state import judge
from terok.model.task import FollowUpState, OperationState, Task
from terok.store.lease import own_lease
from terok.store.reading import Reading, with_state

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from pathlib import Path

    from terok.model.admission import Decision, Waiting
    from terok.model.facts import Fact
    from terok.store.lease import Lease

_STATE = ("word", "group", "also", "since", "doubt_at", "unread", "process", "reason", "works")
_TOLD = ("word", "group", "also", "unread", "process", "reason", "works")
"""The part of a state whose change is an event."""
_FREE = frozenset(Task._fields) - {*_STATE, "id", "created"} | {"seen"}
"""Columns that `change` may set."""


class Writer(Reading):
    """A transaction: everything in it becomes true together, or nothing. `at` is its time."""

    def __init__(self, connection: sqlite3.Connection, path: Path, at: float) -> None:
        super().__init__(connection, path)
        self.at = at
        self._touched: dict[str, None] = {}

    def add_task(self, task: Task, request: Mapping[str, Any]) -> None:
        """Record a new task with the settings it was asked for with; a name that is taken is a StoreError."""
        columns = {**task._asdict(), "wanted_at": self.at, "request": json.dumps(request)}
        self.insert("tasks", columns)
        self.event(task.id, "created", project=task.project, name=task.name, mode=task.mode, agent=task.agent)

    def insert(self, table: str, row: Mapping[str, object]) -> None:
        """Write one row by the names of its columns, and no event."""
        names, marks = ", ".join(f'"{name}"' for name in row), ", ".join("?" * len(row))
        self.rows(f"INSERT INTO {table} ({names}) VALUES ({marks})", *row.values())  # noqa: S608

    def change(self, task_id: str, kind: str, data: Mapping[str, Any] | None = None, /, **columns: Any) -> None:
        """Set columns of a task and write an event of this kind; its data are the new values, unless given.

        A new desired state is remembered with its time.
        """
        if unknown := columns.keys() - _FREE:
            raise TypeError(f"not a column that can be changed: {min(unknown)}")
        values = {**columns, "wanted_at": self.at} if "desired" in columns else columns
        self._set(task_id, **values)
        self.event(task_id, kind, **(columns if data is None else data))

    def begin(self, task_id: str, container: str) -> None:
        """Record that a run begins: what was known about the one before no longer counts."""
        cleared: dict[str, Any] = {"ended": None, "exit_code": None, "stopped_by": ""}
        self.change(task_id, "starting", container=container, started=self.at, desired="running", **cleared)
        self._set(task_id, boot=own_lease().boot)

    def end(
        self, task_id: str, exit_code: int | None, *, by: str = "", at: float | None = None, run: float | None = None
    ) -> bool:
        """Record the end of a run, if nobody has yet; returns whether this was the first to.

        `by` says who stopped it; "" keeps what was recorded when it was asked to stop. `run` is when the run that is
        meant has begun (`Task.started`): if another one has begun since, nothing is recorded.
        """
        at = self.at if at is None else at
        changed = self.rows(
            "UPDATE tasks SET ended = ?1, exit_code = ?2, stopped_by = CASE ?3 WHEN '' THEN stopped_by ELSE ?3 END"
            " WHERE id = ?4 AND ended IS NULL AND started IS NOT NULL AND (?5 IS NULL OR started = ?5)"
            " RETURNING stopped_by",
            *(at, exit_code, by, task_id, run),
        )
        if changed:
            self.event(task_id, "ended", exit_code=exit_code, by=changed[0][0], at=at)
        return bool(changed)

    def observe(self, task_id: str, run: float | None = None, /, **facts: Fact | None) -> None:
        """Record what was observed of a task, by the names in `OBSERVED`; None forgets a fact.

        What was observed of `run` (`Task.started`) is dropped if another one has begun since.
        """
        if unknown := facts.keys() - OBSERVED.keys():
            raise TypeError(f"not an observed fact: {min(unknown)}")
        known, news = self.facts(task_id), dict[str, Any](facts)
        if run is None or known.started == run:
            self._set(task_id, facts=json.dumps(facts_to_json(replace(known, **news))))

    def claim(self, task_id: str, claim: Claim) -> None:
        """Record a report from inside."""
        before = self.claims(task_id)
        claims = with_claim(before, claim)
        if claims != before:
            self._set(task_id, claims=json.dumps(claims_to_json(claims)))

    def answer(self, task_id: str, question: str) -> None:
        """Record that a person has answered a question of the agent."""
        self._set(task_id, claims=json.dumps(claims_to_json(answered(self.claims(task_id), question))))
        self.event(task_id, "answered", question=question)

    def take_lease(self, task_id: str, lease: Lease) -> bool:
        """Let a process act on a task, unless one that lives does, be it the same; returns whether it may."""
        if self.lease(task_id) is not None:
            return False
        self._set(task_id, lease=json.dumps(lease))
        return True

    def drop_lease(self, task_id: str) -> None:
        """End the lease of a task, whoever has it."""
        self._set(task_id, lease=None)

    def enqueue(self, waiting: Waiting, text: str = "") -> None:
        """Put a task in the queue, or change its row."""
        self.rows(
            "INSERT OR REPLACE INTO queue (task, since, not_before, after, priority, reason, text)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(waiting.task, waiting.since, waiting.not_before, json.dumps(waiting.after), waiting.priority),
            *(waiting.reason or "slot", text),
        )
        self.event(waiting.task, "queued", reason=waiting.reason or "slot", text=text)

    def dequeue(self, task_id: str) -> bool:
        """Take a task out of the queue; returns whether it was in it, so that only one caller starts it."""
        taken = bool(self.rows("DELETE FROM queue WHERE task = ? RETURNING task", task_id))
        if taken:
            self.event(task_id, "dequeued")
        return taken

    def explain(self, decision: Decision) -> None:
        """Record why a queued task waits, if that has changed."""
        changed = self.rows(
            "UPDATE queue SET reason = ?1, text = ?2 WHERE task = ?3 AND (reason, text) <> (?1, ?2) RETURNING task",
            *(decision.reason, decision.text, decision.task),
        )
        if changed:
            self.event(decision.task, "queued", reason=decision.reason, text=decision.text)

    def follow_up(self, task_id: str, text: str, how: Literal["steer", "queue"]) -> int:
        """Write a follow-up and return its number."""
        found = self.rows(
            "INSERT INTO followups (task, text, how, state, created, changed) VALUES (?, ?, ?, 'written', ?, ?)"
            " RETURNING id",
            *(task_id, text, how, self.at, self.at),
        )
        number = int(found[0][0])
        self.event(task_id, "follow_up", id=number, how=how, state="written")
        return number

    def move_follow_up(self, number: int, before: FollowUpState, after: FollowUpState) -> bool:
        """Change the state of a follow-up, if it is still `before`; returns whether it was."""
        moved = self.rows(
            "UPDATE followups SET state = ?, changed = ? WHERE id = ? AND state = ? RETURNING task, how",
            *(after, self.at, number, before),
        )
        for task_id, how in moved:
            self.event(task_id, "follow_up", id=number, how=how, state=after)
        return bool(moved)

    def edit_follow_up(self, number: int, text: str) -> bool:
        """Change the text of a follow-up that has not been sent; returns whether that was so."""
        edited = self.rows(
            "UPDATE followups SET text = ?, changed = ? WHERE id = ? AND state = 'written' RETURNING task, how",
            *(text, self.at, number),
        )
        for task_id, how in edited:
            self.event(task_id, "follow_up", id=number, how=how, state="written")
        return bool(edited)

    def record_operation(
        self, verb: str, subject: str, summary: str, inverse: Mapping[str, Any], *, expires: float | None = None
    ) -> int:
        """Record a destructive verb, before it acts, with what undoes it; returns its number."""
        found = self.rows(
            "INSERT INTO operations (at, verb, subject, summary, inverse, state, expires)"
            " VALUES (?, ?, ?, ?, ?, 'open', ?) RETURNING id",
            *(self.at, verb, subject, summary, json.dumps(inverse), expires),
        )
        self.event("", "operation", id=found[0][0], verb=verb, subject=subject, state="open")
        return int(found[0][0])

    def move_operation(self, number: int, before: OperationState, after: OperationState) -> bool:
        """Change the state of an operation, if it is still `before`; returns whether it was."""
        moved = self.rows(
            "UPDATE operations SET state = ? WHERE id = ? AND state = ? RETURNING verb, subject",
            *(after, number, before),
        )
        for verb, subject in moved:
            self.event("", "operation", id=number, verb=verb, subject=subject, state=after)
        return bool(moved)

    def set(self, key: str, value: Any) -> None:
        """Keep a value under a key; None removes it."""
        if value is None:
            self.rows("DELETE FROM settings WHERE key = ?", key)
        else:
            self.rows("INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)", key, json.dumps(value))

    def forget_task(self, task_id: str) -> None:
        """Remove a task and everything about it but its events; for when its trash has been emptied."""
        self.rows("DELETE FROM tasks WHERE id = ?", task_id)
        self.rows("DELETE FROM settings WHERE key = ? OR key GLOB ?", f"reports/{task_id}", f"nearly/task/{task_id}/*")
        self._touched.pop(task_id, None)
        self.rows("INSERT INTO events (at, task, kind, data) VALUES (?, ?, 'forgotten', '{}')", self.at, task_id)

    def forget_events(self, kept: int) -> None:
        """Remove all events but the newest `kept`."""
        self.rows("DELETE FROM events WHERE seq <= (SELECT max(seq) FROM events) - ?", kept)

    def event(self, task_id: str, kind: str, /, **data: Any) -> None:
        """Write an event; of a task, "" for one of none."""
        text = json.dumps(data)
        self.rows("INSERT INTO events (at, task, kind, data) VALUES (?, ?, ?, ?)", self.at, task_id, kind, text)
        if task_id:
            self._touched[task_id] = None

    def judge_again(self, task_id: str) -> None:
        """Judge a task at the end of the transaction although nothing of it has changed, as when time has passed."""
        self._touched[task_id] = None

    def settle(self) -> None:
        """Judge every task that was touched, and write an event for each state that has changed."""
        watched = self.watched() if self._touched else False
        for task_id in self._touched:
            self._settle(task_id, watched=watched)

    def _settle(self, task_id: str, *, watched: bool) -> None:
        before = self.task(task_id, now=float("-inf"))
        basis = self._basis(task_id)
        state = judge(*basis, self.at, watched=watched)
        after = with_state(before, state)
        # Whoever reads this later may find nobody watching: the time to doubt is the one that needs no controller.
        alone = judge(*basis, self.at)
        after = after._replace(doubt_at=alone.doubt_at if alone.word == state.word else self.at)
        columns = ", ".join(f'"{name}" = ?' for name in _STATE)
        values = [getattr(after, name) for name in _STATE]
        self.rows(f"UPDATE tasks SET {columns} WHERE id = ?", *values, task_id)  # noqa: S608
        if any(getattr(before, name) != getattr(after, name) for name in _TOLD):
            told = {name: getattr(after, name) for name in (*_TOLD, "since")}
            self.event(task_id, "state", was=before.word, **told)

    def _set(self, task_id: str, **columns: Any) -> None:
        if columns:
            names = ", ".join(f'"{name}" = ?' for name in columns)
            statement = f"UPDATE tasks SET {names} WHERE id = ? RETURNING id"  # noqa: S608
            self._row(task_id, statement, *columns.values(), task_id)
        self._touched[task_id] = None
