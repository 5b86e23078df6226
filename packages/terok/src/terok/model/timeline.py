"""The timeline of a task: what all walls, the vault's journal, the output and the database tell, in one order. Pure.

Every source brings its entries in an order of its own, which is kept: a clock that jumps moves entries against those of
other sources, never against their own.
"""

from __future__ import annotations

from collections import deque
from heapq import merge as merge_in_order
from operator import attrgetter
from typing import Final

from terok_util import LeanTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Any

SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "terok": ("task", "run", "question", "verdict", "review", "operation"),
    "shield": ("name", "connection", "verdict"),
    "vault": ("credential", "verdict"),
    "usage": ("model",),
    "output": ("tool", "question"),
    "gate": ("push",),
}
"""The kinds of entries that each source may bring. In this order sources are asked, and moments that are equal told."""
KINDS: Final = (*dict.fromkeys(kind for kinds in SOURCES.values() for kind in kinds), "record")
"""A `record` tells of the record itself: a broken chain, a row that cannot be read."""


class Entry(LeanTuple):
    """One thing that has happened at `at` (seconds since the epoch), and that went on until `until` if it took time.

    `text` is one line, and `data` what it is made of; both are safe to show.
    """

    at: float
    kind: str
    source: str
    text: str
    data: Mapping[str, Any]
    until: float | None = None


class Chain(LeanTuple):
    """The check of the part of an audit log that was read; `whole` if that is all of it."""

    log: str
    ok: bool
    whole: bool
    rows: int
    problems: tuple[str, ...]


class Timeline(LeanTuple):
    """Entries in their order. `left_out` says that there are older ones."""

    entries: tuple[Entry, ...]
    chains: tuple[Chain, ...]
    left_out: bool


def merge(sources: Iterable[Iterable[Entry]]) -> Iterator[Entry]:
    """Yield the entries of all sources by time; of one moment those of the earlier source first."""
    return merge_in_order(*sources, key=attrgetter("at"))


def chosen(
    entries: Iterable[Entry], *, kinds: Collection[str] = (), since: float | None = None, tail: int | None = None
) -> tuple[list[Entry], bool]:
    """Return the entries of some kinds (none means all), from a time on, and the last `tail`; whether some are cut."""
    found = [
        one for one in entries if (not kinds or one.kind in kinds) and (since is None or (one.until or one.at) >= since)
    ]
    kept = found if tail is None else [*deque(found, maxlen=tail)]
    return kept, len(kept) < len(found)


def dated(moments: Sequence[float | None], otherwise: float) -> list[float]:
    """Return moments of one source in which each that is not known is the one before it, or the first that is."""
    last = next((moment for moment in moments if moment is not None), otherwise)
    found = []
    for moment in moments:
        last = last if moment is None else moment
        found.append(last)
    return found


def broken(chain: Chain, at: float) -> Iterator[Entry]:
    """Yield an entry for each place where a chain does not hold."""
    for problem in chain.problems:
        yield Entry(at, "record", chain.log, f"the audit log is not what was written: {problem}", {"problem": problem})
