"""From the table of actions to what Textual binds."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from terok.tui.keymap import Action, actions_of


def bindings_of(screen: str) -> list[BindingType]:
    """Return the bindings of a screen: every action is `do_<name>` there, and can be bound anew by its name."""
    return [binding for action in actions_of(screen) for binding in _bindings(action)]


def _bindings(action: Action) -> list[Binding]:
    if action.name == "answer":
        return [
            Binding(key, f"screen.do('answer', {key})", action.words, id=f"answer_{key}")
            for key in action.keys.split(",")
        ]
    return [Binding(action.keys, f"screen.do('{action.name}')", action.words, id=action.name)]
