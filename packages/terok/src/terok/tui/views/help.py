"""All keys of a screen in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from terok.tui.keymap import EVERYWHERE, Action, actions_of, shown_keys
from terok.tui.views.text import Line, Span, fit

_KEY = 11


def key_lines(screen: str, keys: Mapping[str, str]) -> list[Line]:
    """Return the keys of a screen, those that work everywhere last."""
    actions = actions_of(screen)
    own = [action for action in actions if action.where != EVERYWHERE]
    rest = [action for action in actions if action.where == EVERYWHERE]
    return [*_part(f"On this screen ({screen})", own, keys), (), *_part("Everywhere", rest, keys)]


def _part(title: str, actions: list[Action], keys: Mapping[str, str]) -> Iterator[Line]:
    yield (Span(title, "bold"),)
    for action in actions:
        verb = f", terok {action.verb}" if action.verb else ""
        yield (
            Span("  "),
            Span(fit(shown_keys(keys[action.name]), _KEY), "key"),
            Span(action.help),
            Span(f"  ({action.name}{verb})", "dim"),
        )
