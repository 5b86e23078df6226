"""Gathering the timeline of a task: every source from its end, so that a large log costs no more than is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from terok_util import TerokError

from terok.model.timeline import SOURCES, Chain, Timeline, broken, chosen, merge
from terok.model.timeline_rows import (
    entries_of_checks,
    entries_of_comments,
    entries_of_events,
    entries_of_operations,
)
from terok.paths import OUTPUT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from terok.integrations.sandbox import SandboxConfig
    from terok.model.task import Task
    from terok.model.timeline import Entry
    from terok.services.tasks_base import TaskBase

MAX_ROWS: Final = 10_000
"""Rows that are read of each source."""
MAX_OUTPUT: Final = 16 * 1024 * 1024
"""Bytes that are read of a task's output."""
WALLS: Final = ("shield", "vault", "gate")


def timeline(
    tasks: TaskBase,
    task: Task,
    *,
    kinds: Collection[str] = (),
    since: float | None = None,
    tail: int | None = None,
) -> Timeline:
    """Return what has happened to a task, the oldest first; by default the last `MAX_ROWS` rows of every source.

    Args:
        tasks: The open database.
        task: Which task.
        kinds: Kinds of entries; none means all.
        since: Seconds since the epoch.
        tail: How many entries at most, the last ones.
    """
    # A request and its answer are two rows and one entry.
    gathered = _Gathered(tasks, task, since, MAX_ROWS if kinds or tail is None else min(MAX_ROWS, 2 * tail))
    wanted = {source for source, brings in SOURCES.items() if not kinds or set(kinds).intersection(brings)}
    found: list[Iterable[Entry]] = [list(gathered.recorded())] if "terok" in wanted else []
    if task.container and len(wanted.difference({"terok"})):
        found += gathered.of_sandbox(wanted)
    breaks = [one for chain in gathered.chains for one in broken(chain, last_heard(task))]
    entries, cut = chosen(merge([*found, breaks]), kinds=[*kinds, "record"] if kinds else (), since=since, tail=tail)
    return Timeline(tuple(entries), tuple(gathered.chains), cut or gathered.left_out)


def last_heard(task: Task) -> float:
    """Return when a task was heard of last."""
    return max(one for one in (task.created, task.started, task.ended, task.since) if one is not None)


class _Gathered:
    """Reads the sources of one task, at most `limit` rows of each, and notes what it left out."""

    def __init__(self, tasks: TaskBase, task: Task, since: float | None, limit: int) -> None:
        self._tasks, self._task, self._since, self._limit = tasks, task, since, limit
        self.chains: list[Chain] = []
        self.left_out = False

    def recorded(self) -> Iterator[Entry]:
        """Yield the entries of the database: events, operations on the task, comments and checks of its reviews."""
        events = self._tasks.store.latest_events(self._task.id, self._limit)
        self.left_out |= len(events) >= self._limit
        store = self._tasks.store
        mine = [one for one in store.operations(MAX_ROWS) if self._is_mine(one.inverse)]
        sources = [entries_of_events(events), entries_of_operations(reversed(mine))]
        kinds = {event.kind for event in events}
        if kinds & {"comment", "check"}:
            from terok.store.reviewing import check_runs, comments  # most tasks have none

            sources.append(entries_of_comments(comments(store, self._task.id)))
            sources.append(entries_of_checks(check_runs(store, self._task.id)))
        yield from merge(sources)

    def _is_mine(self, inverse: Mapping[str, object]) -> bool:
        return inverse.get("task") == self._task.id

    def of_sandbox(self, wanted: Collection[str]) -> Iterator[list[Entry]]:
        """Yield the entries of each other source."""
        from terok.integrations.sandbox import SandboxConfig

        config = SandboxConfig.load()
        for wall in WALLS:
            if wall in wanted:
                yield self._audit(config, wall)
        if "usage" in wanted:
            yield self._usage(config)
        if "output" in wanted:
            yield self._output(config)

    def _audit(self, config: SandboxConfig, wall: str) -> list[Entry]:
        from terok.integrations.sandbox import audit_logs

        place = audit_logs(config, self._task.container)[wall]
        if not place.exists():
            return []
        from terok.integrations.sandbox import read_audit_end
        from terok.model.timeline_rows import entries_of_audit

        try:
            end = read_audit_end(place, limit=self._limit, since=self._since)
        except TerokError as error:
            self.chains.append(Chain(wall, ok=False, whole=False, rows=0, problems=(error.message,)))
            return []
        self.left_out |= not end.whole and self._since is None
        self.chains.append(Chain(wall, end.chain.ok, end.whole, end.chain.rows, end.chain.problems))
        return list(entries_of_audit(wall, end.rows, self._task.created))

    def _usage(self, config: SandboxConfig) -> list[Entry]:
        places = sorted(config.usage_dir.glob(f"*/{self._task.container}.jsonl"))
        if not places:
            return []
        from collections import deque

        from terok.integrations.sandbox import read_usage
        from terok.model.timeline_rows import entries_of_usage

        rows = deque((row for place in places for row in read_usage(place)), maxlen=self._limit)
        self.left_out |= len(rows) == self._limit
        return list(entries_of_usage([*rows], self._task.created))

    def _output(self, config: SandboxConfig) -> list[Entry]:
        lines = self._lines(config) if self._task.mode == "headless" else iter(())
        first = next(lines, None)
        if first is None:
            return []
        from itertools import chain

        from terok.integrations.executor import TranscriptReader
        from terok.model.timeline_rows import entries_of_output

        reader = TranscriptReader(self._task.agent)
        said: list[tuple[float | None, dict[str, Any]]] = []
        last: float | None = None
        for last, line in chain((first,), lines):
            read = reader.feed(line.encode("utf-8", "surrogateescape") + b"\n")
            said += [(last, event.parts()) for event in read if event.kind in ("tool_call", "tool_result", "question")]
        said += [(last, event.parts()) for event in reader.end()]
        return list(entries_of_output(said, last_heard(self._task)))[-self._limit :]

    def _lines(self, config: SandboxConfig) -> Iterator[tuple[float | None, str]]:
        """Yield the lines of the output with their times, which what was kept of a removed container has not."""
        place = config.container_state_dir(self._task.container) / OUTPUT
        if place.exists():
            from terok.integrations.sandbox import dated_output

            self.left_out |= place.stat().st_size > MAX_OUTPUT
            yield from dated_output(place, MAX_OUTPUT)
            return
        from terok_util import read_tail

        trashed = self._task.trashed is not None
        kept: Path = (self._tasks.trash(self._task) if trashed else self._tasks.directory(self._task)) / OUTPUT
        yield from ((None, line) for line in read_tail(kept, MAX_OUTPUT).splitlines())
