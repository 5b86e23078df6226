"""Instructions of several layers laid over each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

BUNDLED = "_inherit"
"""In a list: what the layers below say; in the lowest, the text that comes with terok."""
OTHERS = "_default"

Said = str | Sequence[str] | Mapping[str, str | Sequence[str]]


def layered(values: Iterable[Said]) -> list[str] | dict[str, list[str]]:
    """Return the instructions that layers give together, the lowest first.

    A text or list is for every agent, a map for those it names and, with `_default`, for the others.
    """
    below: dict[str, list[str]] = {OTHERS: [BUNDLED]}
    for value in values:
        if isinstance(value, Mapping):
            named = {agent: _spliced(said, below.get(agent, below[OTHERS])) for agent, said in value.items()}
            below = {**below, **named}
        else:
            below = {agent: _spliced(value, lower) for agent, lower in below.items()}
    return below if len(below) > 1 else below[OTHERS]


def with_appended(value: Said, text: str) -> Said:
    """Return instructions with `text` after them for every agent."""
    if not text.strip():
        return value
    if isinstance(value, Mapping):
        return {agent: [*_listed(said), text] for agent, said in {OTHERS: [BUNDLED], **value}.items()}
    return [*_listed(value), text]


def _spliced(said: str | Sequence[str], below: Sequence[str]) -> list[str]:
    return [text for item in _listed(said) for text in (below if item == BUNDLED else (item,))]


def _listed(said: str | Sequence[str]) -> Sequence[str]:
    return (said,) if isinstance(said, str) else said
