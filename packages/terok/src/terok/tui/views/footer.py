"""The last line of every screen: what can be done, as many whole entries as fit. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from terok.tui.keymap import actions_of, shown_key
from terok.tui.views.text import Line, Span, width

Entry = tuple[str, Line]
"""The name of an action, and the part of the line that stands for it."""


def entries(screen: str, keys: Mapping[str, str], cells: int, *, idle: Mapping[str, str] | None = None) -> list[Entry]:
    """Return the keys of a screen, by weight; those in `idle` are dim, and `?` is the last to go when it is narrow."""
    wanted = sorted((action for action in actions_of(screen) if action.weight), key=lambda action: action.weight)
    made = {
        action.name: _entry(shown_key(keys[action.name]), action.words, dim=action.name in (idle or {}))
        for action in wanted
    }
    more = made.pop("help", ())
    found: list[Entry] = []
    left = cells - width(more)
    for name, line in made.items():
        left -= width(line)
        if left < 0:
            break
        found.append((name, line))
    return [*found, ("help", more)] if width(more) <= cells else found


def footer(screen: str, keys: Mapping[str, str], cells: int, *, idle: Mapping[str, str] | None = None) -> Line:
    """Return the line."""
    return tuple(span for _, line in entries(screen, keys, cells, idle=idle) for span in line)


def entry_at(found: list[Entry], x: int) -> str:
    """Return the action whose entry is at a column, "" for none."""
    for name, line in found:
        if 0 <= x < width(line):
            return name
        x -= width(line)
    return ""


def _entry(key: str, words: str, *, dim: bool) -> Line:
    return Span(key, "dim" if dim else "key"), Span(f" {words}  ", "dim" if dim else "plain")
