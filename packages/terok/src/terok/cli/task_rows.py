"""Tasks as rows for a person: glyphs, ages, one line each. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from terok.model.words import GLYPHS, GROUP_ORDER, LABELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from terok.model.task import Task

TITLES = ("", "STATE", "ID", "PROJECT", "NAME", "AGENT", "SINCE", "WHY")
_AXES = {"up": "[{}]", "exited": "({})"}
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))
_WHY = 60


def age(seconds: float) -> str:
    """Return a duration in its largest whole unit, such as `3h`; `0s` for one that a clock's jump made negative."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def glyph(task: Task) -> str:
    """Return the state's glyph: in brackets while the container runs, in parentheses if it could be started again."""
    mark = _AXES.get(task.process, " {} ").format(GLYPHS[task.word])
    return mark + ("*" if task.unread else " ")


def label(word: str) -> str:
    """Return what a person calls a state."""
    return LABELS.get(word, word)


def ordered(tasks: Iterable[Task]) -> list[Task]:
    """Return tasks by group, those that need a person first and those that are over last, in each the newest first."""
    place = {group: number for number, group in enumerate(GROUP_ORDER)} | {"over": len(GROUP_ORDER)}
    return sorted(tasks, key=lambda task: (place[task.group], -task.since, task.id))


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
