"""The line on top of every screen: how many tasks are in which group, and whether news is heard. Pure."""

from __future__ import annotations

from typing import Final

from terok.model.words import ATTENTION
from terok.tui.views.text import Line, Span, cropped, said

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok.tui.views.world import World

_COUNTED: Final = (
    ("needs", "need you"),
    ("review", "to review"),
    ("working", "working"),
    ("waiting", "waiting"),
    ("doubt", "in doubt"),
    ("over", "done"),
)


def header(world: World, cells: int, *, title: str = "") -> Line:
    """Return the line: the program or the screen's title, the groups that have tasks, and why no news is heard."""
    counts = dict.fromkeys((group for group, _ in _COUNTED), 0)
    for task in world.tasks.values():
        counts[task.group] += 1
    line: list[Span] = [Span("terok", "title"), *((Span("  "), said(title, "bold")) if title else ())]
    if not world.loaded:
        line.append(Span("  reading…", "dim"))
    for group, words in _COUNTED:
        if counts[group]:
            line.append(Span(f"  {counts[group]} {words}", group if group in ("needs", "review") else "plain"))
    if world.installed:
        line.insert(1, said(f"  {world.installed} is installed: ^l begins again", "bold"))
    if world.silence:
        return cropped((*line[:1], said(f"  not live: {world.silence}", "error"), *line[1:]), cells)
    return cropped(tuple(line), cells)


def window_title(world: World) -> str:
    """Return the title of the terminal's window: how many tasks need a person."""
    count = sum(task.word in ATTENTION for task in world.tasks.values())
    return f"terok ({count})" if count else "terok"
