"""Reading the database. `Store.snapshot` and a writer read all of one moment; other methods stand for themselves.

The judge, addresses and the queue are imported by what uses them: a list of tasks, of which none has to be judged anew,
keeps its start-up budget only so.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from terok_util import LeanTuple

from terok import model
from terok.errors import StoreError, UnknownTask
from terok.model.task import Event, FollowUp, Operation, Task
from terok.store.connection import translated
from terok.store.lease import Lease, held, is_alive, lease_from_json, own_lease

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from terok.model.admission import Waiting
    from terok.model.claims import Claims
    from terok.model.facts import Facts
    from terok.model.names import Candidate
    from terok.model.state import TaskState

CONTROLLER = "controller"
"""The setting with the controller's lease."""
_COLUMNS = ", ".join(f'"{name}"' for name in Task._fields)
_BASIS = (
    "SELECT tasks.id, created, mode, started, seen, desired, wanted_at, ended, exit_code, stopped_by, facts, claims,"
    " queue.since, queue.reason, queue.text FROM tasks LEFT JOIN queue ON queue.task = tasks.id"
    " WHERE tasks.id IN (SELECT value FROM json_each(?))"
)
_FLAGS = tuple(Task._fields.index(name) for name in ("name_by_user", "unread", "works"))


class Snapshot(LeanTuple):
    """All tasks, and the number of the last event they contain."""

    tasks: list[Task]
    seq: int


class Reading:
    """Everything that can be asked of the database."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path

    def tasks(self, *, trashed: bool = False, now: float | None = None) -> list[Task]:
        """Return all tasks as they are judged `now`, the oldest first; `trashed` ones only if asked for."""
        now = time.time() if now is None else now
        where = "" if trashed else " WHERE trashed IS NULL"
        return self._judged(self.rows(f"SELECT {_COLUMNS} FROM tasks{where} ORDER BY created, id"), now)  # noqa: S608

    def live_tasks(self) -> list[Task]:
        """Return the tasks, as they were last judged, of which something may have to be done, or expected."""
        found = self.rows(
            f"SELECT {_COLUMNS} FROM tasks WHERE trashed IS NULL AND archived IS NULL"  # noqa: S608
            " AND (ended IS NULL OR \"group\" <> 'over' OR id IN (SELECT task FROM queue)"
            " OR id IN (SELECT task FROM followups WHERE state = 'written')) ORDER BY created, id"
        )
        return self._judged(found, float("-inf"))

    def task(self, task_id: str, *, now: float | None = None) -> Task:
        """Return one task as it is judged `now`; UnknownTask if there is none."""
        row = self._row(task_id, f"SELECT {_COLUMNS} FROM tasks WHERE id = ?", task_id)  # noqa: S608
        return self._judged([row], time.time() if now is None else now)[0]

    def find(self, text: str, *, trashed: bool = False) -> Task:
        """Return the task that a person means by `text`; UnknownTask or AmbiguousTask."""
        from terok.model.names import parse_address, resolve

        return self.task(resolve(parse_address(text), self.candidates(trashed=trashed)))

    def candidates(self, *, trashed: bool = False) -> list[Candidate]:
        """Return what an address can match."""
        from terok.model.names import Candidate

        where = "" if trashed else " WHERE trashed IS NULL"
        return [Candidate(*row) for row in self.rows(f"SELECT id, project, name, created FROM tasks{where}")]  # noqa: S608

    def facts(self, task_id: str) -> Facts:
        """Return what the host knows about a task."""
        return self._basis(task_id)[0]

    def claims(self, task_id: str) -> Claims:
        """Return what was said from inside."""
        return self._basis(task_id)[1]

    def state(self, task_id: str, *, now: float | None = None) -> TaskState:
        """Return the judgement about a task, with its evidence."""
        facts, claims = self._basis(task_id)
        return model.judge(facts, claims, time.time() if now is None else now, watched=self.watched())

    def request(self, task_id: str) -> dict[str, Any]:
        """Return the resolved settings that the task was asked for with."""
        value: dict[str, Any] = json.loads(self._row(task_id, "SELECT request FROM tasks WHERE id = ?", task_id)[0])
        return value

    def lease(self, task_id: str) -> Lease | None:
        """Return who is acting on a task (starting, stopping or removing it) right now; None if nobody alive is."""
        found = self.rows("SELECT lease FROM tasks WHERE id = ?", task_id)
        return held(found[0][0]) if found else None

    def unwanted(self) -> dict[str, float]:
        """Return since when each task that runs, and that nobody is just stopping, is not to."""
        found = self.rows("SELECT id, wanted_at FROM tasks WHERE desired <> 'running' AND process = 'up'")
        return {task_id: at for task_id, at in found if self.lease(task_id) is None}

    def leased(self) -> bool:
        """Whether a process is acting on any task."""
        return bool(self.rows("SELECT 1 FROM tasks WHERE lease IS NOT NULL LIMIT 1"))

    def left_alone(self) -> list[str]:
        """Return the tasks on which a process was acting that has died."""
        found = self.rows("SELECT id FROM tasks WHERE lease IS NOT NULL")
        return [row[0] for row in found if self.lease(row[0]) is None]

    def of_other_boots(self) -> list[str]:
        """Return the tasks whose last run began before the machine was started, and has no recorded end."""
        boot = own_lease().boot
        found = self.rows("SELECT id FROM tasks WHERE started IS NOT NULL AND ended IS NULL AND boot <> ?", boot)
        return [row[0] for row in found]

    def events_after(
        self, seq: int, limit: int = 1000, *, task: str | None = None, kind: str | None = None
    ) -> list[Event]:
        """Return the events after number `seq`, at most `limit`, of all tasks or of one, and of all kinds or of one."""
        found = self.rows(
            "SELECT seq, at, task, kind, data FROM events WHERE seq > ?1"  # noqa: S608
            + (" AND task = ?2" if task is not None else "")
            + (" AND kind = ?3" if kind is not None else "")
            + " ORDER BY seq LIMIT ?4",
            *(seq, task, kind, limit),
        )
        return [Event._make((*row[:4], json.loads(row[4]))) for row in found]

    def latest_events(self, task: str, limit: int) -> list[Event]:
        """Return the last events of a task in their order, at most `limit`."""
        found = self.rows(
            "SELECT seq, at, task, kind, data FROM events WHERE task = ? ORDER BY seq DESC LIMIT ?", task, limit
        )
        return [Event._make((*row[:4], json.loads(row[4]))) for row in reversed(found)]

    def first_seq(self) -> int:
        """Return the number of the oldest event that is kept, 1 if there is none."""
        return int(self.rows("SELECT coalesce(min(seq), 1) FROM events")[0][0])

    def last_seq(self) -> int:
        """Return the number of the last event, 0 if there is none."""
        return int(self.rows("SELECT coalesce(max(seq), 0) FROM events")[0][0])

    def follow_ups(self, task_id: str | None = None) -> list[FollowUp]:
        """Return the follow-ups of a task, or of all, in the order they were written."""
        where, values = ("", ()) if task_id is None else (" WHERE task = ?", (task_id,))
        found = self.rows(
            f"SELECT id, task, text, how, state, created, changed FROM followups{where} ORDER BY id",  # noqa: S608
            *values,
        )
        return [FollowUp(*row) for row in found]

    def with_follow_ups(self) -> set[str]:
        """Return the tasks with a follow-up that waits for the end of their turn."""
        return {row[0] for row in self.rows("SELECT task FROM followups WHERE state = 'written' AND how = 'queue'")}

    def queue(self) -> list[Waiting]:
        """Return the queue; who comes first is for `admit` to say."""
        from terok.model.admission import Waiting

        found = self.rows(
            "SELECT task, project, queue.since, not_before, after, priority, queue.reason"
            " FROM queue JOIN tasks ON id = task ORDER BY queue.since, task"
        )
        return [Waiting._make((*row[:4], tuple(json.loads(row[4])), *row[5:])) for row in found]

    def operations(self, limit: int = 100) -> list[Operation]:
        """Return the latest operations, the newest first."""
        found = self.rows(
            "SELECT id, at, verb, subject, summary, inverse, state, expires FROM operations ORDER BY id DESC LIMIT ?",
            limit,
        )
        return [Operation._make((*row[:5], json.loads(row[5]), *row[6:])) for row in found]

    def setting(self, key: str, default: Any = None) -> Any:
        """Return a value that `set` has kept."""
        found = self.rows("SELECT value FROM settings WHERE key = ?", key)
        return json.loads(found[0][0]) if found else default

    def watched(self) -> bool:
        """Whether a controller runs, so that the facts here are as fresh as facts can be."""
        lease = lease_from_json(self.setting(CONTROLLER))
        return lease is not None and is_alive(lease)

    @contextmanager
    def transaction(self, begin: str) -> Iterator[None]:
        """Let the block count as a whole, or not at all if it fails."""
        self.rows(begin)
        try:
            yield
            self.rows("COMMIT")
        except BaseException:
            with suppress(StoreError):
                self.rows("ROLLBACK")
            raise

    def rows(self, statement: str, *values: object) -> list[Any]:
        """Return the rows of a statement."""
        with translated(self.path):
            return self._connection.execute(statement, [_text(value) for value in values]).fetchall()

    def _judged(self, found: Iterable[Any], now: float) -> list[Task]:
        """Make tasks of rows; those whose state time alone can have changed are judged anew."""
        tasks, doubted = [], []
        for number, row in enumerate(found):
            cells = list(row)
            for place in _FLAGS:
                cells[place] = cells[place] != 0
            task = Task._make(cells)
            if task.doubt_at is not None and task.doubt_at <= now:
                doubted.append(number)
            tasks.append(task)
        if doubted:
            watched = self.watched()
            bases = self._bases([tasks[number].id for number in doubted])
            for number in doubted:
                task = tasks[number]
                tasks[number] = with_state(task, model.judge(*bases[task.id], now, watched=watched))
        return tasks

    def _basis(self, task_id: str) -> tuple[Facts, Claims]:
        found = self._bases([task_id])
        if not found:
            raise _unknown(task_id)
        return found[task_id]

    def _bases(self, ids: Sequence[str]) -> dict[str, tuple[Facts, Claims]]:
        """Return what tasks are judged by, in one question."""
        from terok.model.claims import claims_from_json
        from terok.model.facts import Ended, Facts, Queued, Wanted, facts_from_json

        bases = {}
        for row in self.rows(_BASIS, json.dumps(ids)):
            task_id, created, mode, started, seen, desired, wanted_at, ended, exit_code, by, facts, claims, *waits = row
            base = Facts(
                created,
                mode == "headless",
                started,
                seen,
                Wanted(wanted_at, "terok", desired),
                ended=None if ended is None else Ended(ended, "terok", exit_code, by),
                queued=None if waits[0] is None else Queued(waits[0], "queue", waits[1], waits[2]),
            )
            bases[task_id] = facts_from_json(json.loads(facts), base), claims_from_json(json.loads(claims))
        return bases

    def _row(self, task_id: str, statement: str, *values: object) -> Any:
        """Return the row of a statement about one task; UnknownTask if there is none."""
        found = self.rows(statement, *values)
        if not found:
            raise _unknown(task_id)
        return found[0]


def _unknown(task_id: str) -> UnknownTask:
    return UnknownTask(f"there is no task {task_id}", hint="see `terok task list`")


def _text(value: object) -> object:
    """Return a value that SQLite can keep: text from a command line or a file's name may not be Unicode."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) and not value.isascii() else value


def with_state(task: Task, state: TaskState) -> Task:
    """Return `task` with another judgement; work and waiting began when the word first held."""
    since = state.since
    if state.word == task.word and state.word in ("working", "waiting", "queued"):
        since = min(since, task.since)
    return task._replace(
        word=state.word,
        group=state.group,
        also=" ".join(state.also),
        since=since,
        doubt_at=state.doubt_at,
        unread=state.unread,
        process=state.process,
        reason=state.evidence[0].text,
        works=state.works,
    )
