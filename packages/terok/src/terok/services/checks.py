"""Checks of the health and their findings: a cause in one line, how bad it is, and how it is mended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from terok_util import TerokError, UsageError, safe_text

from terok.services.at_once import at_once

if TYPE_CHECKING:
    from terok.services.tasks import Tasks

Level = Literal["ok", "info", "warn", "error"]
RANK: Final[dict[Level, int]] = {"ok": 0, "info": 0, "warn": 1, "error": 2}
PATIENCE: Final = 8.0
"""Seconds that all checks together may take."""
_LONGEST: Final = 500

Mend = Callable[["Tasks | None"], None]
"""Mends a cause, with the open database if there is one; raises TerokError or OSError if it could not."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause. `mend` is safe to call unasked: it takes nothing away that a person could miss."""

    check: str
    level: Level
    text: str
    subject: str = ""
    hint: str = ""
    mend: Mend | None = field(default=None, compare=False, repr=False)

    def document(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        plain = {"check": self.check, "level": self.level, "subject": self.subject}
        return {**plain, "text": self.text, "hint": self.hint, "mendable": self.mend is not None}


@dataclass(frozen=True, slots=True)
class Check:
    """A question by name; `look` returns what is wrong, and `well` is what to say if nothing is."""

    name: str
    look: Callable[[], Iterable[Finding]]
    well: str = "as it should be"


def with_tasks(act: Callable[[Tasks], object]) -> Mend:
    """Return what mends a cause in the database; without one it cannot."""

    def mend(tasks: Tasks | None) -> None:
        if tasks is None:
            raise UsageError("there is no database")
        act(tasks)

    return mend


def without_tasks(act: Callable[[], object]) -> Mend:
    """Return what mends a cause that is not in the database."""

    def mend(_tasks: Tasks | None) -> None:
        act()

    return mend


def look_at(checks: Iterable[Check], *, seconds: float = PATIENCE) -> list[Finding]:
    """Make all checks side by side; one that does not answer, or breaks, is a finding of its own."""
    checks = [*checks]
    found: list[Finding] = []
    for check, end in zip(checks, at_once([_whole(check) for check in checks], seconds=seconds), strict=True):
        if end.value is not None:
            found += end.value or [Finding(check.name, "ok", check.well)]
        elif isinstance(end.error, TerokError):
            found.append(Finding(check.name, "error", end.error.message, hint=end.error.hint or ""))
        elif end.error is not None:
            found.append(Finding(check.name, "error", f"{type(end.error).__name__}: {end.error}"))
        else:
            found.append(Finding(check.name, "warn", f"did not answer within {seconds:g} s"))
    return [replace(one, text=safe_text(one.text, limit=_LONGEST)) for one in found]


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 0 if all is well, 1 for warnings, 2 for errors."""
    return max((RANK[one.level] for one in findings), default=0)


def _whole(check: Check) -> Callable[[], list[Finding]]:
    return lambda: [*check.look()]
