"""Things on disk, and those that are not needed any more, as tables. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from terok.model.bars import bar, percent
from terok.model.shown import size
from terok.tui.views.columns import Table
from terok.tui.views.text import Line, Span, said

if TYPE_CHECKING:
    from terok.services.storage import Held
    from terok.services.storage_cleaning import Unneeded

_BAR = 20


def kinds_table(held: Held) -> Table:
    """Return the use of the disk by kind, the largest first."""
    kinds = sorted(held.kinds(), key=lambda kind: -kind[2])
    everything = sum(total for _, _, total, _ in kinds) or 1
    rows = tuple(
        (
            Span(kind, "bold"),
            Span(str(number)),
            Span(size(total, whole=whole)),
            Span(percent(total / everything)),
            Span(bar(total / everything, _BAR), "working"),
        )
        for kind, number, total, whole in kinds
    )
    return Table(("KIND", "NUMBER", "SIZE", "SHARE", ""), rows, "nothing is kept", (4,), 0, frozenset((1, 2, 3)))


def places_table(held: Held) -> Table:
    """Return every thing on disk, the largest first."""
    rows = tuple(
        (
            Span(size(one.bytes, whole=one.whole)),
            Span(one.kind, "dim"),
            Span(one.name),
            Span(one.note, "needs" if one.note == "of no task" else "dim"),
        )
        for one in sorted(held.places, key=lambda one: -one.bytes)
    )
    return Table(("SIZE", "KIND", "NAME", ""), rows, "nothing is kept", (3,), 2, frozenset((0,)))


def unneeded_table(found: Sequence[Unneeded]) -> Table:
    """Return what can be removed, or what became of it."""
    rows = tuple(
        (
            Span(size(one.bytes)),
            Span(one.kind, "dim"),
            Span(one.name),
            Span(one.failed or one.reason, "error" if one.failed else "dim"),
        )
        for one in found
    )
    return Table(("SIZE", "KIND", "NAME", "WHY"), rows, "nothing is there that is not needed", (), 2, frozenset((0,)))


def room_lines(held: Held) -> list[Line]:
    """Return how much is free, the rules by which things are kept, and what could not be measured."""
    room = "unknown" if held.free is None else size(held.free)
    lines: list[Line] = [
        (
            Span(f"free: {room}; below {size(held.floor)} no task starts", "error" if held.low else "plain"),
            Span(" — that is so now" if held.low else "", "error"),
        ),
        (Span(f"what is deleted can be brought back for {held.trash_days} days", "dim"),),
    ]
    return [*lines, *((said(f"not measured: {failure}", "error"),) for failure in held.failures)]


def total_words(found: Sequence[Unneeded]) -> str:
    """Return the number and size of what can be removed."""
    return f"{len(found)} thing{'s' * (len(found) != 1)}, {size(sum(one.bytes for one in found))}"
