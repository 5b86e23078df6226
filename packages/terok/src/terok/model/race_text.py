"""Words about an attempt of a race, whoever shows them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from terok.model.race import NO_CHECK, NOTHING, PASSED, RUNNING, WANTED
from terok.model.shown import age, label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from terok.model.race import Standing

_OUTPUT_LINES: Final = 5
_CHECKS: Final = {NO_CHECK: "-", WANTED: "waits", RUNNING: "runs", NOTHING: "nothing to check"}


def agent(one: Standing) -> str:
    """Return who works on it, with the model if it is a particular one."""
    return f"{one.agent}:{one.model}" if one.model else one.agent


def state(one: Standing) -> str:
    """Return what it is doing, or what has become of it."""
    if one.fate == "deleted":
        return "deleted"
    said = "kept" if one.kept else label(one.word)
    return f"{said}, archived" if one.fate == "archived" else said


def check(one: Standing) -> str:
    """Return how its check has ended, or why there is no result."""
    return _CHECKS.get(one.check.word, one.check.word)


def cost(one: Standing) -> str:
    """Return its cost."""
    if one.cost is None:
        return "?" if one.seconds is not None else "-"
    return f"${one.cost:.4f}"


def duration(one: Standing) -> str:
    """Return how long its last run has taken."""
    if one.seconds is None:
        return "-"
    seconds = one.seconds
    return f"{seconds:.1f}s" if seconds < 10 else age(seconds) if seconds < 60 else f"{seconds / 60:.1f}m"


def size(one: Standing) -> str:
    """Return how much it has changed."""
    if one.size is None:
        return "nothing" if one.over and not one.problem else "-"
    files = f"{one.size.files} file{'' if one.size.files == 1 else 's'}"
    binary = f", {one.size.binary} binary" if one.size.binary else ""
    return f"+{one.size.added} -{one.size.deleted} in {files}{binary}"


def findings(one: Standing) -> str:
    """Return how many findings the gate has about it."""
    return "-" if one.findings is None else str(one.findings)


def notes(one: Standing) -> Iterator[str]:
    """Yield what stands in no cell: why gate or check say nothing, and the end of what a failed check has printed."""
    if one.problem:
        yield f"{one.number}: the gate does not say what it has brought: {one.problem}"
    if one.fate != "deleted" and not one.tip and one.word in ("failed", "stopped", "unknown"):
        yield f"{one.number}: {one.reason}"
    if one.check.word not in (*_CHECKS, PASSED):
        code = f" with exit code {one.check.exit_code}" if one.check.exit_code is not None else ""
        yield f"{one.number}: the check {one.check.word}{code}"
        yield from (f"     {line}" for line in one.check.output.splitlines()[-_OUTPUT_LINES:])
