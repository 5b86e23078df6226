"""Several attempts at one task: who takes part, what is known of each, and how they compare. No winner is chosen."""

from __future__ import annotations

from dataclasses import field
from itertools import cycle, islice
from typing import Final, Literal

from terok_util import LeanTuple, UsageError, lean_dataclass, safe_text

from terok.model.changes import Size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

USUAL: Final = 3
"""Attempts of a race that names fewer than two contenders."""
MOST: Final = 32
Fate = Literal["here", "archived", "deleted"]
NO_CHECK: Final = ""
WANTED: Final = "wanted"
RUNNING: Final = "running"
PASSED: Final = "passed"
NOTHING: Final = "nothing"


class Contender(LeanTuple):
    """An agent that takes part ("" for the project's), and the model that it uses ("" for its own choice)."""

    agent: str
    model: str = ""

    def __str__(self) -> str:
        return f"{self.agent}:{self.model}" if self.model else self.agent


class Race(LeanTuple):
    """One race. Times are seconds since the epoch; `base` is the commit that all attempts start from."""

    id: str
    name: str
    project: str
    created: float
    prompt: str
    scope: str
    base: str
    command: str = ""
    """The check of every attempt, "" without one."""
    kept: str = ""
    """The task that a person has kept."""
    trashed: float | None = None


class Attempt(LeanTuple):
    """One attempt as it was asked for; what its task is doing is known by the task."""

    race: str
    number: int
    task: str
    name: str
    agent: str
    model: str = ""


@lean_dataclass(frozen=True, slots=True)
class Check:
    """The check of one attempt, on the commit that stands in the gate.

    `word` is how the check of a review has ended; before that `wanted` or `running`, `nothing` where there is nothing
    to check, and "" where no check was asked for.
    """

    word: str = NO_CHECK
    exit_code: int | None = None
    seconds: float | None = None
    output: str = ""
    """Safe text."""


@lean_dataclass(frozen=True, slots=True)
class Standing:
    """Everything that is known about one attempt, for a person to judge by; None where it is not known."""

    number: int
    task: str
    name: str
    agent: str
    model: str = ""
    fate: Fate = "here"
    word: str = ""
    reason: str = ""
    over: bool = True
    """Whether its run has ended."""
    kept: bool = False
    branch: str = ""
    tip: str = ""
    """The commit to judge, "" if it has brought nothing."""
    commits: int = 0
    check: Check = field(default_factory=Check)
    cost: float | None = None
    """US dollars."""
    seconds: float | None = None
    size: Size | None = None
    findings: int | None = None
    problem: str = ""
    """Why the gate does not say what it has brought."""


Column = Literal["cost", "seconds", "size", "findings"]
_VALUES: Final[dict[Column, Callable[[Standing], float | None]]] = {
    "cost": lambda one: one.cost,
    "seconds": lambda one: one.seconds,
    "size": lambda one: None if one.size is None else one.size.lines,
    "findings": lambda one: one.findings,
}


def contenders(agents: Sequence[str], number: int | None) -> list[Contender]:
    """Return who takes part in `number` attempts: the named agents in turn, each `AGENT` or `AGENT:MODEL`.

    Without a name it is the project's agent; without a number every named one has an attempt, a single one `USUAL`.
    UsageError for too few or too many.
    """
    named = [Contender(*_pair(text)) for text in agents] or [Contender("")]
    count = number if number is not None else len(named) if len(named) > 1 else USUAL
    if not 2 <= count <= MOST:
        raise UsageError(f"a race has 2 to {MOST} attempts, not {count}", hint="say how many with -n")
    if len(named) > count:
        raise UsageError(
            f"{len(named)} agents do not fit into {count} attempts", hint="leave -n out, or name fewer agents"
        )
    return list(islice(cycle(named), count))


def ordered(standings: Iterable[Standing]) -> list[Standing]:
    """Return attempts in the order of reading: what can be judged first, then what is under way, then what is not.

    A check that has passed comes before one that has not; nothing else ranks them.
    """
    return sorted(standings, key=lambda one: (_place(one), one.number))


def least(standings: Iterable[Standing]) -> dict[Column, tuple[int, ...]]:
    """Return which attempts have the least of a column, for those columns where attempts that can be judged differ.

    An attempt that has brought nothing, still runs or has failed its check has not cost less: it has not done it.
    """
    rows = [one for one in standings if _place(one) == 0]
    found: dict[Column, tuple[int, ...]] = {}
    for column, value in _VALUES.items():
        known = {one.number: amount for one in rows if (amount := value(one)) is not None}
        if len({*known.values()}) > 1:
            best = min(known.values())
            found[column] = tuple(number for number, amount in known.items() if amount == best)
    return found


def is_judgeable(standing: Standing) -> bool:
    """Whether an attempt has ended with work that its check, if there is one, has found right."""
    return _place(standing) == 0


def _place(one: Standing) -> int:
    """Return the place of an attempt in the order of reading."""
    if one.fate == "deleted":
        return 5
    if one.over and one.tip:
        return 0 if one.check.word in (NO_CHECK, PASSED) else 1 if one.check.word in (WANTED, RUNNING) else 3
    return 4 if one.over else 2


def _pair(text: str) -> tuple[str, str]:
    agent, colon, model = text.strip().partition(":")
    if not agent or (colon and not model):
        raise UsageError(f"not an agent: {safe_text(text, limit=80)!r}", hint="write AGENT or AGENT:MODEL")
    return agent, model
