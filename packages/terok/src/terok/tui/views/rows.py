"""One task as one line, for any width. Pure."""

from __future__ import annotations

from typing import Final

from terok.model.shown import age, glyph, label
from terok.model.words import GLYPHS
from terok.tui.views.text import ELLIPSIS, Line, Span, fit, width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from terok.model.task import Task

NARROW: Final = 60
"""Below this width a row has glyph, state and name only."""
NORMAL: Final = 76
WIDE: Final = 100
_NAMES: Final = ((WIDE, 20), (NORMAL, 16), (0, 14))


def row(task: Task, short: str, now: float, cells: int, *, pending: str = "", marked: bool = False) -> Line:
    """Return the line of a task.

    Args:
        task: The task, as it was last judged.
        short: How a person types it.
        now: Seconds since the epoch.
        cells: The width of the line.
        pending: What is going on with it because a person asked for that, in place of the reason of its state.
        marked: Whether it is chosen together with others.
    """
    mark = Span("+" if marked else " ", "bold")
    state = (mark, Span(glyph(task), task.group), Span(" "), Span(fit(label(task.word), 10), task.group), Span(" "))
    if cells < NARROW:
        return (*state, Span(fit(task.name, max(cells - width(state), 0)), _weight(task)))
    names = next(size for least, size in _NAMES if cells >= least)
    who = [Span(fit(task.name, names), _weight(task)), Span(" ")]
    if cells >= WIDE:
        who = [Span(fit(short, 3), "dim"), Span(" "), *who]
    if cells >= NORMAL:
        who += [Span(fit(task.project, 9 if cells < WIDE else 14), "dim"), Span(" ")]
    right = [Span(" "), Span(fit(passed(now - task.since), 4, right=True), "dim")]
    if cells >= NORMAL:
        right += [Span(" "), Span(fit(cost(task), 6, right=True)), Span(" "), Span(fit(walls(task), 3), "needs")]
    left = max(cells - width((*state, *who, *right)), 0)
    why = Span(fit(f"{pending}{ELLIPSIS}", left), "bold") if pending else _why(task, left)
    return (*state, *who, why, *right)


def passed(seconds: float) -> str:
    """Return how long ago something was, for a screen that looks at the clock at the edges of minutes only."""
    return "now" if seconds < 60 else age(seconds)


def next_edge(since: Iterable[float], now: float) -> float | None:
    """Return when an age that is shown may change: at the next whole minute, or hour, or day; None if none is shown.

    Ages may be a unit late, so that a screen full of them looks at the clock once a minute at most.
    """
    youngest = min((max(0.0, now - at) for at in since), default=None)
    if youngest is None:
        return None
    unit = 60 if youngest < 3600 else 3600 if youngest < 86400 - 3600 else 86400
    return (now // unit + 1) * unit


def cost(task: Task) -> str:
    """Return the cost of a task; `-` where nothing is known."""
    return "-" if task.cost is None else f"{task.cost:.2f}"


def walls(task: Task) -> str:
    """Return the glyphs of what waits besides the state: `!` clearance, `$` budget, `R` review."""
    return "".join(GLYPHS[word] for word in task.also.split() if word in GLYPHS)


def _weight(task: Task) -> str:
    return "bold" if task.unread else "plain"


def _why(task: Task, cells: int) -> Span:
    return Span(fit(task.reason, cells), "plain" if task.group in ("needs", "review") else "dim")
