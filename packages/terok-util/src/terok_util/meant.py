"""The name that somebody meant who typed another."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like `word`, None if none does."""
    from difflib import get_close_matches  # only an error needs it

    return next(iter(get_close_matches(word, [*known], 1)), None)


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return a hint: the name that was meant, or what to do otherwise."""
    near = nearest(word, known)
    return f"did you mean {near}?" if near else otherwise
