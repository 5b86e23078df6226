"""Lists in sections that can be folded: what stands where, and where a cursor goes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

from terok.tui.views.text import Line, Span, fit


class Row(NamedTuple):
    """A row: what it is known by, its line for a width, and the value that it shows."""

    key: str
    line: Callable[[int], Line]
    value: Any = None


class Section(NamedTuple):
    """A heading with rows; `note` stands in place of rows where there are none."""

    name: str
    rows: tuple[Row, ...]
    note: str = ""


class Item(NamedTuple):
    """One line of the list: a row, or without one a heading or a note."""

    key: str
    section: str
    row: Row | None = None
    text: str = ""
    style: str = "bold"


def laid(sections: Iterable[Section], folded: Collection[str]) -> tuple[Item, ...]:
    """Return the lines of sections."""
    items: list[Item] = []
    for section in sections:
        is_folded = section.name in folded
        count = f"  {len(section.rows)}" if section.rows else ""
        items.append(Item(f"# {section.name}", section.name, text=section.name.upper() + count))
        if is_folded:
            continue
        items += (Item(f"{section.name} {row.key}", section.name, row) for row in section.rows)
        if not section.rows and section.note:
            items.append(Item(f"? {section.name}", section.name, text=f"  {section.note}", style="dim"))
    return tuple(items)


def item_line(item: Item, cells: int) -> Line:
    """Return a line."""
    if item.row is not None:
        return item.row.line(cells)
    return (Span(fit(item.text, cells), item.style),)


def place_of(items: Sequence[Item], key: str, at: int) -> int:
    """Return where the item of a key is; without it the place that it had, and at first the first row."""
    if not key:
        return next((number for number, item in enumerate(items) if item.row is not None), 0)
    found = next((number for number, item in enumerate(items) if item.key == key), at)
    return min(max(found, 0), max(len(items) - 1, 0))


def next_section(items: Sequence[Item], at: int, step: int) -> int:
    """Return where the next heading is, or the one before with `step` -1; where there is none, `at`."""
    heads = [number for number, item in enumerate(items) if item.key.startswith("# ")]
    later = [number for number in heads if (number - at) * step > 0]
    return at if not later else later[0] if step > 0 else later[-1]
