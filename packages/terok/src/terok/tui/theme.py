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
        "keyword": "magenta",
        "literal": "cyan",
    },
    "blue-orange": {
        "error": "bold #e16d01",
        "needs": "bold #fdd017",
        "review": "bold #74c2ff",
        "working": "#6474ff",
        "doubt": "italic #a47a4f",
        "added": "#74c2ff",
        "added-word": "#74c2ff reverse",
        "removed": "#e16d01",
        "removed-word": "#e16d01 reverse",
        "meta": "#6474ff",
        "keyword": "#a47a4f",
        "literal": "#6474ff",
    },
    "blue-orange-light": {
        "error": "bold #dd1f00",
        "needs": "bold #7e7114",
        "review": "bold #325eae",
        "working": "#0d1663",
        "doubt": "italic #4a3314",
        "added": "#325eae",
        "added-word": "#325eae reverse",
        "removed": "#dd1f00",
        "removed-word": "#dd1f00 reverse",
        "meta": "#0d1663",
        "keyword": "#4a3314",
        "literal": "#0d1663",
    },
}
THEMES: Final = tuple(_LOOKS)
"""The names of the themes."""


def looks(theme: str) -> dict[str, Style]:
    """Return the looks of all styles in a theme; the default one for a name that there is none of."""
    return {name: Style.parse(look) for name, look in {**_COMMON, **_LOOKS.get(theme, _LOOKS[DEFAULT])}.items()}
