"""Rows of text in columns."""

from __future__ import annotations

from collections.abc import Iterable

from terok_util import safe_text


def print_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print rows below their heading, each column as wide as its widest cell."""
    lines = [[safe_text(cell) for cell in line] for line in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
