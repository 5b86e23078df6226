"""Tasks in the words of a person: glyphs, labels, ages, sizes, and the order in which a list has them."""

from __future__ import annotations

from typing import Final

from terok.model.words import GLYPHS, GROUP_ORDER, LABELS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from terok.model.task import Task

_AXES: Final = {"up": "[{}]", "exited": "({})"}
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"))
_SIZES: Final = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
SHOWN_GROUPS: Final = (*(group for group in GROUP_ORDER if group != "over"), "over")
"""The groups in the order of a list: what is over comes last."""
_PLACE: Final = {group: number for number, group in enumerate(SHOWN_GROUPS)}


def age(seconds: float) -> str:
    """Return a duration in its largest whole unit, such as `3h`; `0s` for one that a clock's jump made negative."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def size(number: int, *, whole: bool = True) -> str:
    """Return bytes as a person reads them; of what could not be read `whole` only the least that it may be."""
    shown = next((f"{number / factor:.1f} {unit}" for factor, unit in _SIZES if number >= factor), f"{number} B")
    return shown if whole else f"at least {shown}"


def glyph(task: Task) -> str:
    """Return the state's glyph: in brackets while the container runs, in parentheses if it could be started again."""
    mark = _AXES.get(task.process, " {} ").format(GLYPHS[task.word])
    return mark + ("*" if task.unread else " ")


def label(word: str) -> str:
    """Return what a person calls a state."""
    return LABELS.get(word, word)


def ordered(tasks: Iterable[Task]) -> list[Task]:
    """Return tasks by group, those that need a person first and those that are over last, in each the newest first."""
    return sorted(tasks, key=lambda task: (_PLACE[task.group], -task.since, task.id))
