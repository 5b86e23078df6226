"""Settings with their values and where these were set, as a table. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from terok.tui.views.columns import Table
from terok.tui.views.text import Line, Span, said, wrapped

if TYPE_CHECKING:
    from terok.config.explanation import Setting


def settings_table(found: Sequence[Setting]) -> Table:
    """Return settings; those that nothing sets are dim."""
    rows = tuple(
        (
            Span(one.key, "bold" if one.layers else "dim"),
            Span(value_text(one.value), "plain" if one.layers else "dim"),
            Span(origin(one), "dim"),
        )
        for one in found
    )
    return Table(("KEY", "VALUE", "SET IN"), rows, "no key is set; d lists the defaults", (), 1)


def wanted(found: Sequence[Setting], text: str, *, everything: bool) -> tuple[Setting, ...]:
    """Return the settings whose key or help has every word of `text`: those that are set, or also the defaults."""
    words = text.lower().split()
    return tuple(
        one
        for one in found
        if (everything or one.layers) and all(word in f"{one.key} {one.help}".lower() for word in words)
    )


def setting_lines(one: Setting, cells: int) -> list[Line]:
    """Return a setting in full: what it is for, what it takes, and what it hides."""
    place = one.origin if one.layers else ""
    lines: list[Line] = [(said(one.key, "bold"), said(f" = {value_text(one.value)}"), said(f"  {place}", "dim"))]
    lines += [(Span(text),) for text in wrapped(one.help, cells, limit=3)]
    lines.append((said(f"{one.kind}; default {value_text(one.default)}", "dim"),))
    hidden = reversed(one.layers[:-1])
    return [*lines, *((said(f"hides {value_text(layer.value)}  {layer.place}", "dim"),) for layer in hidden)]


def origin(one: Setting) -> str:
    """Return the layer that set a value, and the line in its file."""
    if not one.layers:
        return "default"
    top = one.layers[-1]
    return f"{top.level}, line {top.line}" if top.line else top.level


def value_text(value: Any) -> str:
    """Return a value as a person can type it again; `-` for none."""
    if value is None:
        return "-"
    plain = isinstance(value, str) and value and "\n" not in value and value == value.strip()
    return str(value) if plain else json.dumps(value, ensure_ascii=False)
