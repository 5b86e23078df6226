"""Limits on what a task or a project may use. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal

from terok_util.values import lean_dataclass

from terok_sandbox.errors import VaultError


@lean_dataclass(frozen=True, slots=True)
class Limits:
    """Inclusive limits; None means unlimited.

    `bytes` counts bodies and messages both ways, `wall_seconds` from the launch: these two also end what is under way.
    """

    cost_usd: float | None = None
    tokens: int | None = None
    requests: int | None = None
    bytes: int | None = None
    wall_seconds: float | None = None

    @classmethod
    def parse(cls, raw: Mapping[str, Any] | None, where: str) -> Limits:
        """Return the limits in a mapping a person or a sidecar holds; VaultError for an unknown or senseless one."""
        known = {field.name for field in fields(cls)}
        for key, value in (raw or {}).items():
            if key not in known:
                raise VaultError(f"{where}: unknown limit {key!r}", hint=f"known are {', '.join(sorted(known))}")
            kinds = (int, float) if key in ("cost_usd", "wall_seconds") else (int,)
            if value is not None and (type(value) not in kinds or not 0 <= value < 1e15):
                raise VaultError(f"{where}: invalid limit for {key}", hint="use a number from 0 on")
        return cls(**(raw or {}))

    @property
    def any(self) -> bool:
        """Whether anything is limited."""
        return any(getattr(self, field.name) is not None for field in fields(self))


NO_LIMITS = Limits()
LIMIT_NAMES = {"cost": "cost_usd", "seconds": "wall_seconds"}
"""Limits that are called otherwise in options such as `--budget cost=2`."""


OnLimit = Literal["refuse", "hold"]
"""Treatment of a call over a limit: it is refused, or waits until a person has decided."""


Decision = Literal["raise", "finish", "stop"]
Whose = Literal["task", "project", "day"]


@lean_dataclass(frozen=True, slots=True)
class Budget:
    """Limits of one task, of all tasks of its project together, and of all of the user's tasks on one day (UTC)."""

    task: Limits = NO_LIMITS
    project: Limits = NO_LIMITS
    on_limit: OnLimit = "refuse"
    day: Limits = NO_LIMITS
