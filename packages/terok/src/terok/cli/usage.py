"""`terok usage` and `terok task usage`: what was used, and what it costs."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from terok_util import safe_text, show

from terok.cli.width import columns
from terok.model.bars import LONGEST, SHORTEST, bar, fitting, percent
from terok.model.money import share_of
from terok.services.usage import Usage
from terok.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from terok.model.money import By, Sum
    from terok.services.usage import Spending

_TITLES = ("REQUESTS", "INPUT", "OUTPUT", "CACHED", "COST", "SHARE")
_DROP = (4, 2, 3, 1)
"""Columns that a narrow terminal has no room for, the first to go in front."""
_PERCENT = len("100%")
_COLUMNS = (
    *("requests", "input", "output", "cache_read", "cache_write", "reasoning", "tokens", "cost_usd", "at_least_usd"),
    *("plan_requests", "plan_tokens", "retries", "aborted", "failed", "estimated"),
)


def usage(by: By, since: str | None, until: str | None, as_csv: bool, as_json: bool) -> int:
    """Print what was used, by task, project, day, model, agent or credential."""
    with Store(create=False) as store:
        spending = Usage(store).spending(by, since, until, now=time.time())
    if as_csv:
        _write_csv(spending)
    else:
        show(spending, as_json, _lines(spending))
    return 0


def task_usage(task: list[str], as_json: bool) -> int:
    """Print what a task has used in all its runs, by model."""
    from terok.services.tasks_base import TaskBase

    with TaskBase(create=False) as tasks:
        chosen = tasks.find(task, trashed=True)
        spending = Usage(tasks.store).spending("model", now=time.time(), task=chosen)
    show({"task": chosen.id, **spending._asdict()}, as_json, _lines(spending))
    return 0


def _lines(spending: Spending) -> Iterator[str]:
    """Yield a table; a terminal also gets a bar for each share, as far as there is room."""
    if not spending.rows:
        yield "nothing was used"
        return
    width = columns() if sys.stdout.isatty() else None
    everything = spending.total
    shares = ["", *(share_of(one, everything) for one in spending.rows), ""]
    rows = [_cells(one, share) for one, share in zip((*spending.rows, everything), shares[1:], strict=True)]
    lines, room = fitting((spending.by.upper(), *_TITLES), rows, width, _DROP)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    # A bar stands where there is no text beside it.
    cells = 0 if width is None else min(room + widths[-1] - _PERCENT - 1, LONGEST)
    for line, share in zip(lines, shares, strict=True):
        text = "  ".join(cell.ljust(size) for cell, size in zip(line, (*widths[:-1], 0), strict=True))
        drawn = bar(share, cells, plain=_plain()) if cells >= SHORTEST and isinstance(share, float) else ""
        yield f"{text} {drawn}".rstrip()
    if everything.plan_requests:
        shown = percent(everything.plan_tokens / max(1, everything.tokens))
        yield f"a plan pays for {everything.plan_requests:,} of {everything.requests:,} requests, {shown} of the tokens"
    if everything.estimated:
        yield f"of {everything.estimated:,} requests something had to be assumed, as their answers did not say it"


def _cells(one: Sum, share: float | str) -> list[str]:
    counts = [f"{number:,}" for number in (one.requests, one.input, one.output, one.cached)]
    return [one.name, *counts, one.cost, share if isinstance(share, str) else percent(share).rjust(_PERCENT)]


def _plain() -> bool:
    return os.environ.get("TERM") == "dumb" or "utf" not in (sys.stdout.encoding or "").lower()


def _write_csv(spending: Spending) -> None:
    import csv  # a table is made without it

    writer = csv.writer(sys.stdout)
    writer.writerow([spending.by, *_COLUMNS])
    for one in spending.rows:
        # A spreadsheet takes text that begins so for a formula, and a container chooses names of models.
        name = safe_text(one.name)
        name = f"'{name}" if name[:1] in ("=", "+", "-", "@") and name != "-" else name
        values = [getattr(one, column) for column in _COLUMNS]
        writer.writerow([name, *("?" if value is None else value for value in values)])
