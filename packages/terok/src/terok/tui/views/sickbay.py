"""The health of everything as a table: what is wrong first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from terok.tui.views.columns import Table
from terok.tui.views.text import Line, Span, said, wrapped

if TYPE_CHECKING:
    from terok.services.checks import Finding
    from terok.services.health import Health

_LEVELS: Final = {
    "failed": ("FAILED", "error"),
    "error": ("ERROR", "error"),
    "warn": ("WARN", "needs"),
    "mended": ("mended", "working"),
    "info": ("info", "plain"),
    "ok": ("ok", "over"),
}
"""Words and styles of the levels, the worst first."""
_ORDER: Final = tuple(_LEVELS)


class Remark(NamedTuple):
    """One line: a finding, or what has become of one. `mendable` says that it can be mended unasked."""

    level: str
    check: str
    text: str
    hint: str = ""
    mendable: bool = False


def remarks(health: Health) -> tuple[Remark, ...]:
    """Return everything that was found, mended or not mended, the worst first."""
    found = [Remark("failed", one.check, f"{one.text}: {why}", one.hint) for one, why in health.failed]
    found += [Remark("mended", one.check, one.text) for one in health.mended]
    found += [_remark(one) for one in health.findings]
    return tuple(sorted(found, key=lambda one: _ORDER.index(one.level)))


def _remark(one: Finding) -> Remark:
    return Remark(one.level, one.check, one.text, one.hint, one.mend is not None)


def shown(found: Sequence[Remark], *, everything: bool) -> tuple[Remark, ...]:
    """Return the remarks that are listed: without `everything` those that say more than that all is well."""
    return tuple(one for one in found if everything or one.level != "ok")


def sickbay_table(found: Sequence[Remark]) -> Table:
    """Return remarks as a table."""
    rows = tuple(
        (Span(_LEVELS[one.level][0], _LEVELS[one.level][1]), Span(one.check, "bold"), Span(one.text)) for one in found
    )
    return Table(("LEVEL", "CHECK", "WHAT"), rows, "all is well", cut=2)


def summary(found: Sequence[Remark]) -> Line:
    """Return how many checks say what."""
    counts = {level: sum(one.level == level for one in found) for level in _ORDER}
    parts = [f"{counts[level]} {_LEVELS[level][0]}" for level in _ORDER if counts[level]]
    return (Span(", ".join(parts), "dim"),)


def remark_lines(one: Remark, cells: int) -> list[Line]:
    """Return one remark with what to do about it."""
    lines: list[Line] = [(said(one.check, "bold"),)]
    lines += [(Span(text),) for text in wrapped(one.text, cells, limit=3)]
    if one.hint:
        lines.append((Span("do  ", "dim"), said(one.hint)))
    if one.mendable:
        lines.append((Span("f", "key"), Span(" mends it")))
    return lines
