"""`terok usage`."""

from __future__ import annotations

import csv
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from terok_util import safe_text, show, table

from terok.services.usage import Usage, total
from terok.store import Store

if TYPE_CHECKING:
    from terok.services.usage import By, Sum

_TITLES = ("REQUESTS", "INPUT", "OUTPUT", "CACHED", "COST")


def usage(by: By, since: str | None, as_csv: bool, as_json: bool) -> int:
    """Print what was used, by task, project, day, model or agent."""
    with Store(create=False) as store:
        sums = Usage(store).sums(by, since, now=time.time())
    everything = total(sums)
    if as_csv:
        _write_csv(by, sums)
        return 0
    cells = [(*_cells(one),) for one in (*sums, everything)]
    lines = table((by.upper(), *_TITLES), cells) if sums else "nothing was used"
    show({"by": by, "rows": sums, "total": everything}, as_json, lines)
    return 0


def _cells(one: Sum) -> tuple[object, ...]:
    cost = f"{one.cost} or so" if one.estimated and one.cost_usd else one.cost
    return one.name, one.requests, one.input, one.output, one.cached, cost


def _write_csv(by: str, sums: list[Sum]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow([by, "requests", "input", "output", "cached", "cost_usd", "plan_requests", "estimated"])
    for one in sums:
        row = asdict(one)
        cost = "?" if one.cost_usd is None else row["cost_usd"]
        # A spreadsheet takes text that begins so for a formula, and a container chooses names of models.
        name = safe_text(one.name)
        name = f"'{name}" if name[:1] in ("=", "+", "-", "@") and name != "-" else name
        counts = [row[key] for key in ("requests", "input", "output", "cached")]
        writer.writerow([name, *counts, cost, one.plan_requests, one.estimated])
