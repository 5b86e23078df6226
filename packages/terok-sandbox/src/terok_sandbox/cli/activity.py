"""Verbs `activity` and `budget`: the facts about a running container, and a person's word on its limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from typing import Any

from terok_util import UsageError, show
from terok_util.commands.output import show_row, table

from terok_sandbox.activity.client import ActivityFeed
from terok_sandbox.activity.state import Activity
from terok_sandbox.sandbox.sandbox import Sandbox
from terok_sandbox.values.facts import Fact, fact_to_json
from terok_sandbox.values.limits import LIMIT_NAMES, Decision, Whose


def activity(*, name: str, follow: bool = False, as_json: bool = False) -> int:
    """Show what a container is doing; with `follow` each further fact as it comes, until the container ends."""
    feed = Sandbox().activity(name)
    if follow:
        with suppress(KeyboardInterrupt):
            asyncio.run(_follow(feed, as_json=as_json))
        return 0
    now = feed.read()
    show(_document(now), as_json, _lines(now))
    return 0


def budget(
    *,
    name: str,
    higher: str | None = None,
    finish: bool = False,
    stop: bool = False,
    project: bool = False,
    day: bool = False,
    as_json: bool = False,
) -> int:
    """Show how a running container's limits stand, after a decision about them if one is given."""
    sandbox = Sandbox()
    whose: Whose = "day" if day else "project" if project else "task"
    if higher is not None:
        limit, most = parse_limit(higher)
        stands = sandbox.decide_budget(name, "raise", limit=limit, most=most, whose=whose)
    elif finish or stop:
        answer: Decision = "finish" if finish else "stop"
        stands = sandbox.decide_budget(name, answer)
    else:
        stands = sandbox.budget(name)
    show(stands, as_json, _budget_lines(stands))
    return 0


def parse_limit(text: str) -> tuple[str, float]:
    """Return name and number of `LIMIT=NUMBER`; UsageError for anything else."""
    name, _, number = text.partition("=")
    try:
        return LIMIT_NAMES.get(name, name), float(number)
    except ValueError:
        raise UsageError(f"invalid limit {text[:60]!r}: use cost=5, tokens, requests, bytes or seconds") from None


async def _follow(feed: ActivityFeed, *, as_json: bool) -> None:
    async with feed:
        async for now in feed:
            for fact in now.news:
                show_row(fact_to_json(fact), as_json, _line(fact))


def _document(now: Activity) -> dict[str, Any]:
    return {
        "container": now.container,
        "unheard": sorted(now.unheard),
        "facts": [fact_to_json(fact) for fact in now.facts],
    }


def _lines(now: Activity) -> Iterator[str]:
    yield from map(_line, now.facts)
    yield from (f"the {worker} does not answer: what it told before may be out of date" for worker in now.unheard)


def _line(fact: Fact) -> str:
    words = [f"{field.name}={value}" for field in fields(fact) if _said(value := getattr(fact, field.name))]
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(fact.at))
    return f"{when} {fact.kind} {' '.join(words[1:])}"


def _said(value: object) -> bool:
    return value is not None and value != ""


def _budget_lines(stands: dict[str, Any]) -> Iterator[str]:
    rows = stands["limits"]
    if not rows:
        yield "nothing is limited; see the section budget: of config.yml"
        return
    cells = [(row["whose"], row["limit"], f"{row['used']:g}", f"{row['most']:g}", row["state"]) for row in rows]
    yield from table(("WHOSE", "LIMIT", "USED", "MOST", "STATE"), cells)
    if waiting := max(row["held"] for row in rows):
        yield f"{waiting} call{'s wait' if waiting > 1 else ' waits'}: --raise LIMIT=NUMBER, --finish or --stop"
