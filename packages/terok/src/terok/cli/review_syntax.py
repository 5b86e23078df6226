"""Colors for the languages of files, by pygments, which is loaded when somebody asks for them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LARGEST: Final = 200_000
"""Characters of a hunk that are colored."""


def highlighter() -> Callable[[str, Sequence[str]], list[str]]:
    """Return a function that colors lines, which are safe text, of a file of some name."""
    from pygments import highlight
    from pygments.formatters import TerminalFormatter

    formatter: Any = TerminalFormatter()

    def colored(path: str, lines: Sequence[str]) -> list[str]:
        text = "\n".join(lines)
        lexer = _lexer(path.rpartition("/")[2])
        if lexer is None or len(text) > _LARGEST:
            return list(lines)
        shown = highlight(text, lexer, formatter).split("\n")
        return shown if len(shown) == len(lines) else list(lines)

    return colored


@cache
def _lexer(name: str) -> Any:
    from pygments.lexers import get_lexer_for_filename
    from pygments.util import ClassNotFound

    try:
        return get_lexer_for_filename(name, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None
