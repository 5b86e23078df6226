"""Lines of an output as they are shown: styles by the marks that transcripts have, and what is searched for. Pure."""

from __future__ import annotations

from typing import Final

from terok_util import safe_text

from terok.tui.views.text import Line, Span

_WIDEST: Final = 2000
"""Characters of a line that are looked at."""
_MARKS: Final = (
    ("> ", "bold"),
    (". ", "dim"),
    ("? ", "needs"),
    ("    failed", "error"),
    ("failed", "error"),
    ("    ", "dim"),
)


def log_line(text: str, wanted: str = "") -> Line:
    """Return a line of output; every place where `wanted` stands is marked, without regard to case."""
    shown = safe_text(text, limit=_WIDEST)
    style = _style(shown)
    if not wanted:
        return (Span(shown, style),)
    spans: list[Span] = []
    low, needle, start = shown.lower(), wanted.lower(), 0
    while len(low) == len(shown) and (found := low.find(needle, start)) >= 0:
        spans += (Span(shown[start:found], style), Span(shown[found : found + len(needle)], "match"))
        start = found + len(needle)
    return tuple(span for span in (*spans, Span(shown[start:], style)) if span.text)


def _style(text: str) -> str:
    if text.startswith("[") and "]" in text:
        return "meta"
    return next((style for mark, style in _MARKS if text.startswith(mark)), "plain")
