"""The looks of the named styles. Color only decorates: every state also has a glyph, a word and a place.

The first theme has the terminal's own colors. The other two keep apart for people with a color-vision deficiency what
the first keeps apart by red, green and yellow: they use blue and orange, for dark and for light terminals.
"""

from __future__ import annotations

from typing import Final

from rich.style import Style

DEFAULT: Final = "terminal"
_COMMON: Final = {
    "plain": "none",
    "dim": "dim",
    "bold": "bold",
    "title": "bold reverse",
    "key": "bold",
    "match": "reverse",
    "over": "dim",
    "waiting": "none",
    "link": "underline",
}
_LOOKS: Final = {
    DEFAULT: {
        "error": "bold red",
        "needs": "bold yellow",
        "review": "bold cyan",
        "working": "green",
        "doubt": "magenta",
        "added": "green",
        "added-word": "green reverse",
        "removed": "red",
        "removed-word": "red reverse",
        "meta": "cyan",
    },
    "blue-orange": {
        "error": "bold #ff9f40",
        "needs": "bold #ffb000",
        "review": "bold #8ab4ff",
        "working": "#56b4e9",
        "doubt": "italic #d9c58b",
        "added": "#56b4e9",
        "added-word": "#56b4e9 reverse",
        "removed": "#ffb000",
        "removed-word": "#ffb000 reverse",
        "meta": "#8ab4ff",
    },
    "blue-orange-light": {
        "error": "bold #8f3b00",
        "needs": "bold #a04a00",
        "review": "bold #0b3d91",
        "working": "#005a9c",
        "doubt": "italic #6b5200",
        "added": "#005a9c",
        "added-word": "#005a9c reverse",
        "removed": "#a04a00",
        "removed-word": "#a04a00 reverse",
        "meta": "#0b3d91",
    },
}
THEMES: Final = tuple(_LOOKS)
"""The names of the themes."""


def looks(theme: str) -> dict[str, Style]:
    """Return the looks of all styles in a theme; the default one for a name that there is none of."""
    return {name: Style.parse(look) for name, look in {**_COMMON, **_LOOKS.get(theme, _LOOKS[DEFAULT])}.items()}
