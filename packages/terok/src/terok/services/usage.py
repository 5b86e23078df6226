"""Use and cost of tasks, from the usage journals that the vault's brokers write."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from terok_util import UsageError

from terok.integrations.sandbox import SandboxConfig, read_usage

if TYPE_CHECKING:
    from terok.model.task import Task
    from terok.store import Store

By = Literal["task", "project", "day", "model", "agent"]
NANO: Final = 1_000_000_000
_TOKENS: Final = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
_AGE: Final = re.compile(r"([0-9]{1,6})([mhdw])")
_SECONDS: Final = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True, slots=True)
class Used:
    """One row of use: whose it was, and what it adds. `nano` is billionths of a dollar, `plan` whether a plan pays."""

    task: str
    project: str
    agent: str
    model: str
    time: str
    requests: int
    input: int
    output: int
    cached: int
    nano: int
    priced: bool = True
    plan: bool = False
    estimated: bool = False


@dataclass(slots=True)
class Sum:
    """The use of one group: `cost_usd` is None if a price is not known; what a plan pays for is not in it."""

    name: str
    requests: int = 0
    input: int = 0
    output: int = 0
    cached: int = 0
    cost_usd: float | None = 0.0
    plan_requests: int = 0
    estimated: bool = False

    @property
    def cost(self) -> str:
        """The cost for a person: `?` where a price is not known, `plan` where a plan pays."""
        metered = "?" if self.cost_usd is None else f"${self.cost_usd:.4f}"
        if not self.plan_requests:
            return metered
        return "plan" if not self.cost_usd and self.cost_usd is not None else f"{metered} + plan"


class Usage:
    """Use cases of usage; reads journals and names of tasks, and writes nothing."""

    def __init__(self, store: Store, config: SandboxConfig | None = None) -> None:
        self._store = store
        self._config = config or SandboxConfig.load()

    def sums(self, by: By = "task", since: str | None = None, *, now: float) -> list[Sum]:
        """Return the use since a time, the dearest first, by day in their order; UsageError for a wrong `since`."""
        begin = "" if since is None else parse_since(since, now)
        return summarize((row for row in self._rows() if row.time >= begin), by)

    def _rows(self) -> Iterator[Used]:
        tasks = {task.container: task for task in self._store.tasks(trashed=True)}
        for path in sorted(self._config.usage_dir.glob("*/*.jsonl")):
            task = tasks.get(path.stem)
            for row in read_usage(path):
                yield used_of(row, path.stem, path.parent.name, task)


def used_of(row: Mapping[str, Any], container: str, directory: str, task: Task | None) -> Used:
    """Return a row of a journal; that of a container without a task goes under its own name."""
    counts = {key: _count(row, key) for key in _TOKENS}
    return Used(
        task=f"{task.project}/{task.name}" if task is not None else container,
        project=task.project if task is not None else "-" if directory.startswith("_") else directory,
        agent=task.agent if task is not None else "-",
        model=str(row.get("model") or "-"),
        time=str(row.get("time") or ""),
        requests=_count(row, "requests") if "requests" in row else 1,
        input=counts["input"],
        output=counts["output"],
        cached=counts["cache_read"] + counts["cache_write"] + counts["cache_write_1h"],
        nano=_count(row, "cost_nano"),
        priced=not row.get("price_assumed"),
        plan=row.get("billing") == "plan",
        estimated=bool(row.get("estimated")),
    )


def summarize(rows: Iterable[Used], by: By) -> list[Sum]:
    """Add rows up by task, project, day (UTC), model or agent."""
    nano: dict[str, int | None] = {}
    sums: dict[str, Sum] = {}
    for row in rows:
        key = row.time[:10] if by == "day" else str(getattr(row, by))
        one = sums.setdefault(key, Sum(key))
        one.requests += row.requests
        one.input += row.input
        one.output += row.output
        one.cached += row.cached
        one.estimated |= row.estimated
        before = nano.get(key, 0)
        if row.plan:
            one.plan_requests += row.requests
        elif not row.priced or before is None:
            nano[key] = None
        else:
            nano[key] = before + row.nano
    for key, one in sums.items():
        spent = nano.get(key, 0)
        one.cost_usd = None if spent is None else round(spent / NANO, 6)
    order: Callable[[Sum], Any] = (lambda one: one.name) if by == "day" else _dearest
    return sorted(sums.values(), key=order)


def total(sums: Iterable[Sum]) -> Sum:
    """Return all together; a price that is not known makes the whole unknown."""
    everything = Sum("total")
    for one in sums:
        everything.requests += one.requests
        everything.input += one.input
        everything.output += one.output
        everything.cached += one.cached
        everything.plan_requests += one.plan_requests
        everything.estimated |= one.estimated
        known = everything.cost_usd is not None and one.cost_usd is not None
        everything.cost_usd = round((everything.cost_usd or 0) + (one.cost_usd or 0), 6) if known else None
    return everything


def parse_since(text: str, now: float) -> str:
    """Return the beginning of a span such as `24h` or `7d`, or of a date, as journals write times."""
    if match := _AGE.fullmatch(text):
        began = datetime.fromtimestamp(max(0.0, now - int(match[1]) * _SECONDS[match[2]]), UTC)
        return began.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"not a time: {text[:40]!r}", hint="write 90m, 24h, 7d, 2w or 2026-01-31") from None
    aware = moment if moment.tzinfo is not None else moment.astimezone()
    return aware.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _dearest(one: Sum) -> tuple[bool, float, int, str]:
    return one.cost_usd is not None, -(one.cost_usd or 0.0), -one.requests, one.name


def _count(row: Mapping[str, Any], key: str) -> int:
    value = row.get(key, 0)
    return value if type(value) is int and value >= 0 else 0
