"""The knowledge of the host itself about a task: facts, each with its time and its source."""

from __future__ import annotations

from dataclasses import fields, replace
from math import isfinite
from typing import Any, Literal, get_args

from terok_util import lean_dataclass

ProcessWord = Literal["up", "exited", "gone"]
QueueReason = Literal["slot", "dependency", "time", "disk", "panic"]


@lean_dataclass(frozen=True, slots=True)
class Process:
    """The engine's answer: the container runs, has ended but can be started again, or does not exist."""

    at: float
    source: str
    word: ProcessWord
    exit_code: int | None = None
    since: float | None = None
    """When it came to be so, if that is known; `at` is when it was looked at."""


@lean_dataclass(frozen=True, slots=True)
class Silence:
    """The engine, or the sandbox's feed, did not answer: what it said before may no longer be so."""

    at: float
    source: str
    text: str


@lean_dataclass(frozen=True, slots=True)
class Launch:
    """A front end is starting the container: `text` is its step."""

    at: float
    source: str
    text: str


@lean_dataclass(frozen=True, slots=True)
class Calls:
    """Model calls at the vault: how many are in flight, when the last one began and ended, and with what status."""

    at: float
    source: str
    open: int = 0
    begun_at: float = 0.0
    ended_at: float = 0.0
    status: int = 0
    provider: str = ""
    reset_at: float | None = None
    """When the provider's limit is over, after a 429 that said so."""
    left: bool = False
    """The agent did not wait for the answer to the last one: somebody has broken its turn off, or it tries again."""


@lean_dataclass(frozen=True, slots=True)
class Cpu:
    """The container's processes have used the processor; `at` is when that was last seen."""

    at: float
    source: str


@lean_dataclass(frozen=True, slots=True)
class Clearance:
    """Refused destinations wait for a verdict: identifiers and what they ask for, the oldest first."""

    at: float
    source: str
    since: float
    ids: tuple[str, ...]
    targets: tuple[str, ...] = ()


@lean_dataclass(frozen=True, slots=True)
class Spent:
    """A budget: what kind, how much of how much, and how many calls are held because of it."""

    at: float
    source: str
    kind: str
    used: float
    limit: float
    held: int = 0


@lean_dataclass(frozen=True, slots=True)
class Pushed:
    """Commits in the gate that are neither promoted nor rejected."""

    at: float
    source: str
    branch: str
    commit: str
    commits: int


@lean_dataclass(frozen=True, slots=True)
class Queued:
    """A row of the queue, and why it is still there."""

    at: float
    source: str
    reason: QueueReason
    text: str = ""


@lean_dataclass(frozen=True, slots=True)
class Ended:
    """The recorded end of the last run; `by` says who stopped it, "" when nobody did."""

    at: float
    source: str
    exit_code: int | None
    by: str = ""


@lean_dataclass(frozen=True, slots=True)
class Wanted:
    """Desired state, written before it is made true."""

    at: float
    source: str
    word: str


@lean_dataclass(frozen=True, slots=True)
class Facts:
    """Everything the host knows about one task; None means that nothing was heard."""

    created: float
    headless: bool = False
    started: float | None = None
    """When the present run began: facts from before it say nothing about it. The engine's answer is always about it."""
    seen: float = 0.0
    """When a person last looked."""
    wanted: Wanted | None = None
    process: Process | None = None
    silence: Silence | None = None
    launch: Launch | None = None
    calls: Calls | None = None
    cpu: Cpu | None = None
    clearance: Clearance | None = None
    spent: Spent | None = None
    pushed: Pushed | None = None
    queued: Queued | None = None
    ended: Ended | None = None


Fact = Process | Silence | Launch | Calls | Cpu | Clearance | Spent | Pushed | Queued | Ended | Wanted
OBSERVED = {
    "process": Process,
    "silence": Silence,
    "launch": Launch,
    "calls": Calls,
    "cpu": Cpu,
    "clearance": Clearance,
    "spent": Spent,
    "pushed": Pushed,
}
"""The facts that are kept as JSON; the others are columns and rows of their own."""


def facts_to_json(facts: Facts) -> dict[str, Any]:
    """Return the observed facts as JSON values."""
    return {name: _plain(fact) for name in OBSERVED if (fact := getattr(facts, name)) is not None}


def facts_from_json(kept: Any, base: Facts) -> Facts:
    """Return `base` with the observed facts of `facts_to_json`; what cannot be read is as if it was never heard."""
    read = {name: _read(kind, kept.get(name)) for name, kind in OBSERVED.items()} if isinstance(kept, dict) else {}
    return replace(base, **read)


def _plain(fact: Any) -> dict[str, Any]:
    return {field.name: getattr(fact, field.name) for field in fields(fact)}


def _read(kind: Any, kept: Any) -> Any:
    """Return a fact from JSON, None for anything that does not fit: a newer version may have written it."""
    if not isinstance(kept, dict):
        return None
    names = {field.name: field for field in fields(kind)}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items() if name in names}
    try:
        fact = kind(**given)
    except TypeError:
        return None
    return fact if all(_fits(getattr(fact, name), str(field.type)) for name, field in names.items()) else None


def _fits(value: Any, annotation: str) -> bool:
    if annotation == "ProcessWord":
        return value in get_args(ProcessWord)
    if annotation == "str":
        return isinstance(value, str)
    if annotation == "tuple[str, ...]":
        return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    if annotation == "bool":
        return isinstance(value, bool)
    if value is None:
        return annotation.endswith("| None")
    if annotation.startswith("int"):
        return type(value) is int
    return type(value) in (int, float) and isfinite(value)
