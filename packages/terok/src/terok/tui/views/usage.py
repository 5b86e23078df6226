"""Use and cost as a table with bars. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from terok.model.bars import bar, percent
from terok.model.money import share_of
from terok.tui.views.columns import Table
from terok.tui.views.text import Line, Span

if TYPE_CHECKING:
    from terok.model.money import By, Sum
    from terok.services.usage import Spending

BYS: Final[tuple[By, ...]] = ("task", "project", "day", "model", "agent", "credential")
"""Everything that use is added up by, in the order in which it is gone through."""
PERIODS: Final[tuple[tuple[str, str | None], ...]] = (
    ("all the time", None),
    ("24 hours", "24h"),
    ("7 days", "7d"),
    ("30 days", "30d"),
)
"""Periods in words, and as `--since` takes them."""
_TITLES: Final = ("REQUESTS", "INPUT", "OUTPUT", "CACHED", "COST", "SHARE", "")
_DROP: Final = (4, 2, 3, 7, 1)
_BAR: Final = 16


def usage_table(spending: Spending) -> Table:
    """Return the use by name with bars, and all together as the last row."""
    everything = spending.total
    rows = [_row(one, share_of(one, everything), "plain") for one in spending.rows]
    if rows:
        rows.append(_row(everything, "", "bold"))
    titles = (spending.by.upper(), *_TITLES)
    return Table(titles, tuple(rows), "nothing was used", _DROP, 0, frozenset((1, 2, 3, 4, 6)))


def usage_lines(spending: Spending) -> list[Line]:
    """Return what has to be known about the sums."""
    everything = spending.total
    lines: list[Line] = []
    if everything.plan_requests:
        shown = percent(everything.plan_tokens / max(1, everything.tokens))
        paid = f"{everything.plan_requests:,} of {everything.requests:,} requests, {shown} of the tokens"
        lines.append((Span(f"a plan pays for {paid}"),))
    if everything.cost_usd is None:
        lines.append((Span("`?` and `at least`: a price is not known", "dim"),))
    if everything.estimated:
        lines.append((Span(f"of {everything.estimated:,} requests something had to be assumed", "dim"),))
    if everything.failed or everything.retries or everything.aborted:
        counts = f"{everything.failed:,} failed, {everything.retries:,} repeated, {everything.aborted:,} broken off"
        lines.append((Span(counts, "dim"),))
    return lines


def _row(one: Sum, share: float | str, style: str) -> tuple[Span, ...]:
    counts = (Span(f"{number:,}", style) for number in (one.requests, one.input, one.output, one.cached))
    drawn = bar(share, _BAR) if isinstance(share, float) else ""
    told = percent(share) if isinstance(share, float) else share
    return (Span(one.name, style), *counts, Span(one.cost, style), Span(told, style), Span(drawn, "working"))
