"""The output of a command: rows for a person, or JSON for a program."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence

from terok_util.text import safe_text


def show(value: object, as_json: bool, text: str | Iterable[str]) -> None:
    """Print `value` as one JSON document, or `text`, made safe for a terminal, for a person.

    `value` holds JSON values, dataclasses, named tuples, paths, times, enumerations and sets, nested as you like; the
    order of keys is kept. `text` is a line, or lines; a generator is not started if JSON is wanted.
    """
    if as_json:
        sys.stdout.write(json.dumps(_plain(value), indent=2) + "\n")
        return
    for line in (text,) if isinstance(text, str) else text:
        sys.stdout.write(safe_text(line) + "\n")


def show_row(value: object, as_json: bool, text: str) -> None:
    """Print one row of a stream at once: JSON on a line of its own, or `text`."""
    sys.stdout.write((json.dumps(_plain(value)) if as_json else safe_text(text)) + "\n")
    sys.stdout.flush()


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterable[str]:
    """Yield the lines of a table: `titles` and then `rows`, each column as wide as its widest cell."""
    lines = [list(titles), *([safe_text(str(cell)) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _plain(value: object) -> object:
    """Return `value` as JSON values."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, set | frozenset):
        return sorted(map(_plain, value), key=str)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if fields := getattr(value, "__dataclass_fields__", None):
        return {name: _plain(getattr(value, name)) for name in fields}
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
