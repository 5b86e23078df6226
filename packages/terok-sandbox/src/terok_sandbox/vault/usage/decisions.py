"""A person's decisions about a budget that is reached, kept beside the usage journal so that a restart knows them.

Raising a limit replaces the one it named: where a configuration sets another one since, that counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from terok_util import atomic_write, json_object, read_private

from terok_sandbox.values.limits import Limits
from terok_sandbox.vault.errors import BudgetError

FINISH_SECONDS: Final = 3600.0
"""Longest time in which a turn may be finished."""
IDLE_SECONDS: Final = 60.0
"""A turn has ended when no model call was under way for so long."""
_MAX_FILE: Final = 64 * 1024
_WHOLE: Final = ("tokens", "requests", "bytes")


@dataclass(frozen=True, slots=True)
class Decisions:
    """A person's decisions: limits by name with the number before and after, and whether to stop or finish.

    `finish_until` is in seconds since the epoch. Stopping and finishing exclude each other; raising ends both.
    """

    raised: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    finish_until: float = 0.0
    stopped: bool = False

    def limits(self, configured: Limits) -> Limits:
        """Return the limits in force."""
        changes = {
            name: (int(after) if name in _WHOLE else after)
            for name, (before, after) in self.raised.items()
            if getattr(configured, name, None) == before
        }
        return replace(configured, **changes)  # type: ignore[arg-type]

    def raise_limit(self, configured: Limits, name: str, most: float) -> Decisions:
        """Return the decisions with one limit at `most`; BudgetError unless that is more than now."""
        before, now = getattr(configured, name, None), getattr(self.limits(configured), name, None)
        if before is None or now is None:
            limited = [one.name for one in fields(configured) if getattr(configured, one.name) is not None]
            raise BudgetError(
                f"{name} is not limited", hint=f"limited are {', '.join(limited)}" if limited else "nothing is limited"
            )
        if not now < most < 1e15:
            raise BudgetError(f"{name} is limited to {now:g} now", hint="raise it to a larger number")
        return Decisions({**self.raised, name: (before, most)})

    def to_json(self) -> dict[str, Any]:
        """Return what the file has."""
        return {"raised": dict(self.raised), "finish_until": self.finish_until, "stopped": self.stopped}


def parse_decisions(document: Any) -> Decisions:
    """Return the decisions in a file; none from a damaged one, as then everything is limited as configured."""
    known = {one.name for one in fields(Limits)}
    try:
        raised = {
            str(name): (float(before), float(after))
            for name, (before, after) in document["raised"].items()
            if name in known and 0 <= float(after) < 1e15
        }
        return Decisions(raised, float(document["finish_until"]), document["stopped"] is True)
    except (TypeError, KeyError, ValueError, AttributeError):
        return Decisions()


class DecisionFile:
    """The decisions about one task, project or day, as they stand on disk now; another broker may write them too.

    Those about another `subject` (a task, a day) than the present one no longer hold.
    """

    def __init__(self, path: Path, subject: Callable[[], str] = lambda: "") -> None:
        self._path = path
        self._subject = subject
        self._stamp: tuple[int, int, str] | None = None
        self._decisions = Decisions()

    def read(self) -> Decisions:
        """Return what holds now."""
        try:
            status = self._path.stat()
        except OSError:
            self._stamp, self._decisions = None, Decisions()
            return self._decisions
        if (stamp := (status.st_mtime_ns, status.st_ino, self._subject())) != self._stamp:
            self._stamp, self._decisions = stamp, self._parsed()
        return self._decisions

    def write(self, decisions: Decisions) -> None:
        """Put `decisions` in force; OSError or TerokError when they cannot be kept."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        atomic_write(self._path, json.dumps({"task": self._subject(), **decisions.to_json()}) + "\n", mode=0o600)
        self._stamp = None

    def _parsed(self) -> Decisions:
        try:
            document = json_object(read_private(self._path, _MAX_FILE))
        except OSError:
            return Decisions()
        if document is None or document.get("task") != self._subject():
            return Decisions()
        return parse_decisions(document)
