"""One of several things to choose, as lines. Pure."""

from __future__ import annotations

from typing import NamedTuple

from terok.tui.views.text import Line, Span, cropped, fit, said

_WORDS = 26


class Option(NamedTuple):
    """One thing to choose: its name for the program, its words, and what it means."""

    key: str
    words: str
    help: str = ""
    style: str = "plain"


def option_line(option: Option, cells: int) -> Line:
    """Return the line of something to choose."""
    if not option.help:
        return cropped((Span("  "), said(option.words, option.style)), cells)
    words = min(_WORDS, max(cells - 2, 1))
    return cropped((Span("  "), Span(fit(option.words, words), option.style), said(f" {option.help}", "dim")), cells)
