"""The timeline of a task as lines, and the choice of what is shown of it. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from terok.model.timeline import KINDS
from terok.tui.views.clock import clock, day_and_clock
from terok.tui.views.text import Line, Span, cropped, fit, said, width, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from terok.model.timeline import Chain, Entry

_STYLES: Final = {
    "task": "bold",
    "run": "working",
    "question": "needs",
    "verdict": "needs",
    "review": "review",
    "push": "review",
    "operation": "bold",
    "record": "error",
    "credential": "dim",
    "connection": "dim",
    "name": "dim",
}
WIDE: Final = 100
"""Cells from which the day and the source stand in every line."""


class Shown(NamedTuple):
    """Entries that are shown: kinds (none means all), kinds that are not, and texts that have to be in an entry."""

    kinds: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()


def shown_by(text: str) -> Shown:
    """Return what the words of a person ask for: kinds, kinds behind a `!`, and any other text."""
    words = text.split()
    kinds = frozenset(word for word in words if word in KINDS)
    hidden = frozenset(word[1:] for word in words if word[:1] == "!" and word[1:] in KINDS)
    rest = (word.lower() for word in words if word not in kinds and not (word[:1] == "!" and word[1:] in hidden))
    return Shown(kinds, hidden, tuple(rest))


def chosen(entries: Iterable[Entry], wanted: Shown) -> tuple[Entry, ...]:
    """Return the entries that are shown."""
    return tuple(
        entry
        for entry in entries
        if (not wanted.kinds or entry.kind in wanted.kinds)
        and entry.kind not in wanted.hidden
        and all(word in f"{entry.text} {entry.source}".lower() for word in wanted.words)
    )


def toggled(text: str, kind: str) -> str:
    """Return the words of a person after a kind was switched on or off."""
    words = text.split()
    return " ".join(word for word in words if word != kind) if kind in words else " ".join([*words, kind])


def kind_spans(entries: Iterable[Entry], wanted: Shown) -> tuple[tuple[str, Span], ...]:
    """Return every kind that there is with how often, marked if it is shown alone, or not at all."""
    counts = Counter(entry.kind for entry in entries)
    found = []
    for kind in KINDS:
        if counts[kind]:
            style = "key" if kind in wanted.kinds else "dim" if wanted.kinds or kind in wanted.hidden else "plain"
            mark = "+" if kind in wanted.kinds else "-" if kind in wanted.hidden else " "
            found.append((kind, Span(f"{mark}{kind} {counts[kind]} ", style)))
    return tuple(found)


def kind_at(spans: Sequence[tuple[str, Span]], x: int) -> str:
    """Return the kind at a column, "" for none."""
    for kind, span in spans:
        if 0 <= x < width((span,)):
            return kind
        x -= width((span,))
    return ""


def head_lines(spans: Sequence[tuple[str, Span]], chains: Sequence[Chain], cells: int, *, left_out: bool) -> list[Line]:
    """Return the kinds, and what is wrong with the records or not shown of them."""
    lines: list[Line] = [tuple(span for _, span in spans)]
    for chain in chains:
        if not chain.ok:
            problem = chain.problems[0] if chain.problems else "its chain is broken"
            lines.append((said(f"the {chain.log} audit log is not what was written: {problem}", "error"),))
    if left_out:
        lines.append((Span("older entries are left out", "dim"),))
    return [cropped(line, cells) for line in lines]


def entry_line(entry: Entry, cells: int) -> Line:
    """Return one entry: when, of which kind, what."""
    when = day_and_clock(entry.at) if cells >= WIDE else clock(entry.at)
    parts = [Span(f"{when} ", "dim"), Span(fit(entry.kind, 10), _STYLES.get(entry.kind, "plain")), Span(" ")]
    if cells >= WIDE:
        parts += [Span(fit(entry.source, 7), "dim")]
    return cropped((*parts, said(entry.text), said(_took(entry), "dim")), cells)


def entry_lines(entry: Entry, cells: int, most: int) -> list[Line]:
    """Return everything about one entry in at most `most` lines."""
    lines: list[Line] = [
        cropped(
            (
                Span(fit(entry.kind, 10), _STYLES.get(entry.kind, "plain")),
                said(f" {day_and_clock(entry.at)}{_took(entry)}  {entry.source}", "dim"),
            ),
            cells,
        )
    ]
    lines += [(Span(text),) for text in wrapped(entry.text, cells, limit=2)]
    data = "  ".join(f"{key}={value}" for key, value in entry.data.items() if value not in (None, "", [], {}))
    lines += [(Span(text, "dim"),) for text in wrapped(data, cells, limit=max(most - len(lines), 1))] if data else []
    return lines[:most]


def _took(entry: Entry) -> str:
    if entry.until is None:
        return ""
    seconds = max(entry.until - entry.at, 0.0)
    return f"  {seconds:.1f} s" if seconds < 60 else f"  {seconds / 60:.0f} min"
