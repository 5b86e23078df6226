"""Which agents an image gets: `all`, `a,b`, `-x` (all but x) or `all,-x`."""

from __future__ import annotations

from collections.abc import Iterable

from terok_executor.errors import RosterError

ALL = "all"


def parse_selection(text: str, known: Iterable[str], extra: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the names a selection stands for, sorted; RosterError for an unknown name or an empty outcome.

    `extra` names may be chosen too, but are not part of `all`.
    """
    names, more = frozenset(known), frozenset(extra)
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    excluded = {word[1:] for word in words if word.startswith("-")}
    included = {word for word in words if not word.startswith("-")}
    unknown = sorted((excluded | included) - names - more - {ALL})
    if unknown:
        raise RosterError(
            f"unknown agent in the selection: {unknown[0][:40]!r}",
            hint=f"known: all, {', '.join(sorted(names | more))}",
        )
    wished = frozenset(included) - {ALL}
    chosen = names | wished if ALL in included or not included else wished
    left = tuple(sorted(chosen - excluded))
    if not left or ALL in excluded:
        raise RosterError(f"the selection {text[:80]!r} leaves no agent", hint="for example: all,-demo")
    return left
