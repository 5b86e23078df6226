"""What a run is wired to beyond its provider: a budget, and SSH keys to sign with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from terok_executor.errors import RequestError
from terok_executor.integrations.sandbox import Budget, SandboxError

_NAMES = {"cost": "cost_usd", "seconds": "wall_seconds"}


def run_budget(configured: Budget, limits: Iterable[str]) -> Budget | None:
    """Return the budget of a run with limits of its own; None, which means the configured one, if it has none.

    Each limit is `NAME=NUMBER`: cost (USD), tokens, requests, bytes or seconds. A limit of the run takes the place of
    the configured one of the task; what the project may use stays. RequestError for anything else.
    """
    wanted = dict(_limit(text) for text in limits)
    if not wanted:
        return None
    try:
        checked = type(configured.task).parse(wanted, "--budget")
    except SandboxError as error:
        raise RequestError(error.message, hint="use cost, tokens, requests, bytes or seconds") from None
    return replace(configured, task=replace(configured.task, **{name: getattr(checked, name) for name in wanted}))


def _limit(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    try:
        number = float(value) if name in _NAMES else int(value)
    except ValueError:
        equals = ""
        number = 0
    if not equals:
        raise RequestError(f"not a limit: {text[:60]!r}", hint="write NAME=NUMBER, such as cost=2.50 or tokens=200000")
    return _NAMES.get(name, name), number
