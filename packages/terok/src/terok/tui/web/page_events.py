"""Lines from a page as events of Textual. Everything that a page says is hostile until it is read here."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from textual import events
from textual.geometry import Size
from textual.keys import _character_to_key
from textual.message import Message

FEWEST: Final = (20, 5)
MOST: Final = (400, 200)
MOST_PASTED: Final = 16 * 1024
_KEYS: Final = {
    "Enter": ("enter", "\r"),
    "Escape": ("escape", None),
    "Tab": ("tab", "\t"),
    "Backspace": ("backspace", None),
    "Delete": ("delete", None),
    "Insert": ("insert", None),
    "ArrowUp": ("up", None),
    "ArrowDown": ("down", None),
    "ArrowLeft": ("left", None),
    "ArrowRight": ("right", None),
    "Home": ("home", None),
    "End": ("end", None),
    "PageUp": ("pageup", None),
    "PageDown": ("pagedown", None),
    **{f"F{number}": (f"f{number}", None) for number in range(1, 13)},
}
"""Names of keys in a browser, with those of Textual and the character that they write."""
_MOUSE: Final[dict[str, type[events.MouseEvent]]] = {
    "down": events.MouseDown,
    "up": events.MouseUp,
    "move": events.MouseMove,
    "scroll_up": events.MouseScrollUp,
    "scroll_down": events.MouseScrollDown,
}


class Seen(NamedTuple):
    """A page of a size is there that has nothing on it yet (`new`), or the page has another size."""

    size: Size
    new: bool


def said_by(line: str | bytes) -> list[Message | Seen]:
    """Return what one line from a page stands for; nothing if it stands for nothing."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return []
    match said:
        case ["hello" | "size" as kind, int(cells), int(lines)]:
            return [Seen(_size(cells, lines), kind == "hello")]
        case ["key", str(key), str(held)]:
            return _key(key, held)
        case ["mouse", str(kind), int(x), int(y), int(button), str(held)] if kind in _MOUSE:
            return [_mouse(kind, (x, y), button, held)]
        case ["paste", str(text)]:
            return [events.Paste(_text(text[:MOST_PASTED]))]
        case ["focus"]:
            return [events.AppFocus()]
        case ["blur"]:
            return [events.AppBlur()]
    return []


def _size(cells: int, lines: int) -> Size:
    return Size(min(max(cells, FEWEST[0]), MOST[0]), min(max(lines, FEWEST[1]), MOST[1]))


def _text(text: str) -> str:
    """Return text without halves of characters, which cannot be written anywhere."""
    return text.encode("utf-8", "replace").decode()


def _key(key: str, held: str) -> list[Message | Seen]:
    """Return a press of a key, with `c`, `a` and `s` for the keys that are held: control, alt and shift."""
    if key in _KEYS:
        name, character = _KEYS[key]
        shift = "shift+" if "s" in held else ""
    elif len(key) == 1 and key.isprintable() and _text(key) == key:
        name, character, shift = _character_to_key(key), key, ""
    else:
        return []
    before = ("ctrl+" if "c" in held else "") + ("alt+" if "a" in held else "") + shift
    if before and len(name) == 1:
        name = name.lower() if "c" in held else name
    return [events.Key(before + name, None if before else character)]


def _mouse(kind: str, at: tuple[int, int], button: int, held: str) -> events.MouseEvent:
    x, y = (float(min(max(place, 0), most - 1)) for place, most in zip(at, MOST, strict=True))
    made: Any = _MOUSE[kind]
    pressed = min(max(button, 0), 3)
    return made(None, x, y, 0, 0, pressed, "s" in held, "a" in held, "c" in held, screen_x=x, screen_y=y)  # type: ignore[no-any-return]
