"""SSH keys by the project that may use them, as sections. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok.tui.views.rows import passed
from terok.tui.views.sections import Row, Section
from terok.tui.views.text import Line, Span, cropped, fit, said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from terok.services.ssh_keys import Key

NO_SCOPE = "no project"


def key_sections(keys: Iterable[Key], now: float) -> tuple[Section, ...]:
    """Return the keys of every scope, those that no scope uses last."""
    scopes: dict[str, list[Key]] = {}
    for key in keys:
        scopes.setdefault(key.scope, []).append(key)
    named = sorted(scope for scope in scopes if scope)
    found = [Section(scope, _rows(scopes[scope], now)) for scope in named]
    if "" in scopes:
        found.append(Section(NO_SCOPE, _rows(scopes[""], now)))
    return tuple(found) or (Section("keys", (), "none; + mints one for a project"),)


def _rows(keys: list[Key], now: float) -> tuple[Row, ...]:
    return tuple(Row(str(key.id), _line(key, now), key) for key in keys)


def _line(key: Key, now: float) -> Callable[[int], Line]:
    def line(cells: int) -> Line:
        return cropped(
            (
                Span(f" {'*' if key.default else ' '}{fit(str(key.id), 4)} ", "bold"),
                Span(fit(key.comment, 20 if cells >= 76 else 12), "bold"),
                Span(f" {fit(key.kind, 8)}", "dim"),
                Span(f" {passed(now - key.made)}  " if key.made is not None else "  ", "dim"),
                said(key.fingerprint),
            ),
            cells,
        )

    return line
