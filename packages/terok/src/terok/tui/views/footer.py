"""The last line of every screen: what can be done, as many whole entries as fit. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from terok.tui.keymap import actions_of, shown_key
from terok.tui.views.text import Line, Span, width


def footer(screen: str, keys: Mapping[str, str], cells: int, *, idle: Mapping[str, str] | None = None) -> Line:
    """Return the keys of a screen, by weight; those in `idle` are dim, and `?` is the last to go when it is narrow."""
    wanted = sorted((action for action in actions_of(screen) if action.weight), key=lambda action: action.weight)
    entries = {
        action.name: _entry(shown_key(keys[action.name]), action.words, action.name in (idle or {}))
        for action in wanted
    }
    more = entries.pop("help", ())
    line: Line = ()
    for entry in entries.values():
        if width((*line, *entry, *more)) > cells:
            break
        line = (*line, *entry)
    return (*line, *more) if width((*line, *more)) <= cells else line


def _entry(key: str, words: str, idle: bool) -> Line:
    return Span(key, "dim" if idle else "key"), Span(f" {words}  ", "dim" if idle else "plain")
