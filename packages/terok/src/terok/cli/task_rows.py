"""Tasks as rows for a person, one line each. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from terok.model.shown import age as age
from terok.model.shown import glyph as glyph
from terok.model.shown import label as label
from terok.model.shown import ordered as ordered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from terok.model.task import Task

TITLES = ("", "STATE", "ID", "PROJECT", "NAME", "AGENT", "SINCE", "WHY")
_WHY = 60


def rows(tasks: Iterable[Task], short: Mapping[str, str], now: float) -> Iterator[tuple[str, ...]]:
    """Yield the cells of a table below `TITLES`."""
    for task in tasks:
        why = task.reason if len(task.reason) <= _WHY else f"{task.reason[: _WHY - 1]}…"
        place = (short.get(task.id, task.id), task.project, task.name, task.agent)
        yield (glyph(task), label(task.word), *place, age(now - task.since), why)


def told(data: Mapping[str, object]) -> str:
    """Return the data of an event in a line, without what is empty."""
    return " ".join(f"{name}={value}" for name, value in data.items() if value not in (None, "", [], {}))


def document(task: Task, short: str) -> dict[str, Any]:
    """Return a task as JSON values; `short` is how a person may type it."""
    row = task._asdict()
    row["short"], row["also"] = short, task.also.split()
    return row
