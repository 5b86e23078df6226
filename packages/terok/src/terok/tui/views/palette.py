"""Choosing by name from everything that can be done: actions of the screen, and commands of terok. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from terok.tui.keymap import actions_of, shown_keys


class Choice(NamedTuple):
    """One thing to choose: an action by its name, or the words of a command."""

    words: str
    help: str
    keys: str = ""
    action: str = ""
    verb: tuple[str, ...] = ()


_NOT_CHOSEN = frozenset(("palette", "back", "answer", "down", "up", "page_down", "page_up", "top", "bottom"))


def choices(screen: str, keys: Mapping[str, str], verbs: Iterable[tuple[tuple[str, ...], str]]) -> tuple[Choice, ...]:
    """Return everything that can be chosen on a screen; `verbs` are commands with their help."""
    actions = [
        Choice(action.words, action.help, shown_keys(keys[action.name]), action.name)
        for action in actions_of(screen)
        if action.name not in _NOT_CHOSEN
    ]
    commands = [Choice(" ".join(("terok", *verb)), help_text, verb=verb) for verb, help_text in verbs]
    return (*actions, *commands)


def fitting(found: Iterable[Choice], text: str) -> list[Choice]:
    """Return the choices that have every word of `text`, those whose name begins with it first."""
    words = text.lower().split()
    meant = [one for one in found if all(word in f"{one.words} {one.help}".lower() for word in words)]
    return sorted(meant, key=lambda one: _rank(one, text.lower().strip())) if words else meant


def _rank(one: Choice, text: str) -> int:
    name = one.words.removeprefix("terok ").lower()
    return 0 if name == text else 1 if name.startswith(text) else 2 if text in name else 3
