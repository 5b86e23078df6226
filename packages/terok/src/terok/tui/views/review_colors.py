"""The colors of the lines of a file: those of its language, and the words that have changed. Pure, but not quick."""

from __future__ import annotations

from typing import Final

from terok.model.diff_rows import changed_words, side_by_side
from terok.tui.views.review_lines import STYLES_OF, cut
from terok.tui.views.text import Line, Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from terok.model.diff_rows import Spans
    from terok.model.hunks import Hunk
    from terok.model.hunks import Line as Code

    Language = Callable[[Sequence[str]], list[Line] | None]
    """Gives lines of text colors, None if their language is not known."""

WORDS: Final = {"+": "added-word", "-": "removed-word"}
_MOST_PAIRS: Final = 4000
"""Pairs of lines of a file whose words are compared."""


def colored(hunks: Sequence[Hunk], texts: Mapping[Code, str], language: Language) -> dict[Code, Line]:
    """Return the lines that have colors of their own, each with the whole of its text."""
    words = dict(_words(hunks, texts))
    found: dict[Code, Line] = {}
    for hunk in hunks:
        tokens = _tokens(hunk, texts, language)
        for line in hunk.lines:
            if line in tokens or line in words:
                base = tokens.get(line) or (Span(texts[line], STYLES_OF[line.kind]),)
                found[line] = marked(base, words.get(line, ()), WORDS.get(line.kind, "plain"))
    return found


def marked(line: Line, places: Spans, style: str) -> Line:
    """Return a line in which some places have another style."""
    spans: list[Span] = []
    at = 0
    for start, end in places:
        spans += cut(line, at, start)
        spans += [Span(span.text, style) for span in cut(line, start, end)]
        at = end
    return (*spans, *cut(line, at, sum(len(span.text) for span in line)))


def _tokens(hunk: Hunk, texts: Mapping[Code, str], language: Language) -> dict[Code, Line]:
    """Return the lines of both versions, each read as a text of its own."""
    found: dict[Code, Line] = {}
    for kinds in (" -", " +"):
        lines = [line for line in hunk.lines if line.kind in kinds]
        shown = language([texts[line] for line in lines])
        if shown is not None and len(shown) == len(lines):
            found |= dict(zip(lines, shown, strict=True))
    return found


def _words(hunks: Sequence[Hunk], texts: Mapping[Code, str]) -> Iterator[tuple[Code, Spans]]:
    left = _MOST_PAIRS
    for hunk in hunks:
        for old, new in side_by_side(hunk):
            if old is None or new is None or old is new or left <= 0:
                continue
            left -= 1
            if (changed := changed_words(texts[old], texts[new])) is not None:
                yield old, changed.old
                yield new, changed.new
