"""Facts about one container that its host knows by itself: what its worker processes tell, and a front end shows.

A fact says how one thing stands now: a model call, a provider, a budget, a question, a branch. A later fact about the
same thing (`key`) replaces it. No fact holds a secret.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, Literal, get_args

from terok_util.text import safe_text

from terok_sandbox.values.limits import Whose

Key = tuple[str, ...]
CallState = Literal["begun", "ended", "refused"]
ProviderState = Literal["works", "auth", "limit", "fails"]
BudgetState = Literal["room", "near", "holds", "refuses", "finishing"]
QuestionState = Literal["open", "allow", "deny", "expired"]
PushState = Literal["inspected", "landed", "refused"]
WorkerState = Literal["up", "down"]
LifeState = Literal["created", "running", "ended", "missing", "unsupervised", "unknown"]
MAX_TEXT: Final = 300


class Inside(str):
    """A text that the container has chosen: safe to show, and no fact."""

    __slots__ = ()

    def __new__(cls, text: str | bytes) -> Inside:
        """Make `text` safe, and no longer than `MAX_TEXT`."""
        return super().__new__(cls, safe_text(text, limit=MAX_TEXT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """How one thing stands since `at` (seconds since the epoch). `key` says which thing."""

    kind: ClassVar[str]
    about: ClassVar[tuple[str, ...]] = ()
    """Fields that tell it from other things of its kind."""
    ends: ClassVar[frozenset[str]] = frozenset()
    """States of which nothing more will come."""

    at: float

    @property
    def key(self) -> Key:
        """The thing it is about."""
        return (self.kind, *[getattr(self, name) for name in self.about])

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return getattr(self, "state", "") in self.ends


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall(Fact):
    """A call of a model through the vault; `id` is its own, `began` when it left.

    `refused` is one that the vault itself did not let out, with its reason as `outcome`. Of an `ended` one `status` is
    the HTTP status of its answer, 0 if there was none, and `outcome` what the credential audit says. `reset_at` is when
    a provider that answered 429 takes calls again, as far as it said.
    """

    kind = "model_call"
    about = ("id",)
    ends = frozenset({"ended", "refused"})

    id: str
    state: CallState
    provider: str
    began: float
    status: int = 0
    outcome: str = ""
    reset_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider(Fact):
    """How a provider answers this container; `at` is since when.

    `auth`: its credential is missing or was not taken; `limit`: it answered 429; `fails`: it was not reached, or
    answered with another error. Each lasts until a call has been answered otherwise.
    """

    kind = "provider"
    about = ("provider",)
    ends = frozenset({"works"})

    provider: str
    state: ProviderState
    status: int = 0
    outcome: str = ""
    reset_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetFact(Fact):
    """How one limit of a budget stands.

    `whose` is `task`, `project` or `day`, `limit` as in the configuration (`cost_usd`), `used` and `most` in its unit.
    `near` is four fifths of it. Calls over it are refused, or wait (`holds`); `held` counts those that wait now. While
    `finishing` they go through.
    """

    kind = "budget"
    about = ("whose", "limit")
    ends = frozenset({"room"})

    whose: Whose
    limit: str
    used: float
    most: float
    state: BudgetState
    held: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFact(Fact):
    """Usage of the task so far.

    `cost_usd` is what a budget counts. `plan_usd` is the part of it that is not paid for by what is used, as its
    credential belongs to a plan; with `cost_known` the rest is also what it costs.
    """

    kind = "usage"

    requests: int
    tokens: int
    bytes: int
    cost_usd: float
    cost_known: bool
    plan_usd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Fact):
    """A clearance request: the destination that was refused, `since` when, and how often it was asked for."""

    kind = "question"
    about = ("id",)
    ends = frozenset({"allow", "deny", "expired"})

    id: str
    state: QuestionState
    since: float
    target: Inside
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Push(Fact):
    """The last push of one branch or tag (`ref`, its full name) to the gate.

    `inspected` is on its way, `landed` is in the mirror with `commit` (empty: deleted there); `findings` counts what a
    person will be asked to look at, or of a refused one what was refused.
    """

    kind = "push"
    about = ("ref",)
    ends = frozenset({"landed", "refused"})

    ref: Inside
    state: PushState
    commit: str = ""
    findings: int = 0
    reason: Inside = Inside("")  # noqa: RUF009 - as immutable as a str


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker(Fact):
    """A worker process of the container's supervisor, and how often it was started anew."""

    kind = "worker"
    about = ("name",)

    name: str
    state: WorkerState
    restarts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Life(Fact):
    """The container itself: `at` is when it started or was found to have ended.

    `unsupervised`: it runs, and its supervisor does not answer. `unknown`: Podman has not answered, which says nothing
    about the container. `exit_code` is that of an ended one, if Podman still knows it; `pid` is the first process of a
    running one.
    """

    kind = "container"
    ends = frozenset({"created", "ended", "missing"})

    state: LifeState
    exit_code: int | None = None
    pid: int = 0


KINDS: Final[dict[str, type[Fact]]] = {
    kind.kind: kind for kind in (ModelCall, Provider, BudgetFact, UsageFact, Question, Push, Worker, Life)
}


def fact_to_json(fact: Fact) -> dict[str, Any]:
    """Return the fields of a fact as they are sent; texts of the container's stand apart, below `inside`."""
    row = {field.name: getattr(fact, field.name) for field in fields(fact)}
    inside = {name: row.pop(name) for name, value in list(row.items()) if isinstance(value, Inside)}
    return {"kind": fact.kind, **row, **({"inside": inside} if inside else {})}


def fact_from_json(row: Mapping[str, Any]) -> Fact | None:
    """Return the fact that was sent, None if it is of a kind this version does not know; ValueError if it is none."""
    kind = KINDS.get(str(row.get("kind")))
    if kind is None:
        return None
    inside = row.get("inside", {})
    if not isinstance(inside, Mapping):
        raise ValueError("inside: an object is needed")
    values: dict[str, Any] = {}
    for field in fields(kind):
        annotation = str(field.type)
        source = inside if annotation == "Inside" else row
        if field.name not in source:
            continue
        values[field.name] = _read(annotation, source[field.name])
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(str(error)) from error


_WORDS: Final = {
    "CallState": get_args(CallState),
    "ProviderState": get_args(ProviderState),
    "BudgetState": get_args(BudgetState),
    "QuestionState": get_args(QuestionState),
    "PushState": get_args(PushState),
    "WorkerState": get_args(WorkerState),
    "LifeState": get_args(LifeState),
    "Whose": get_args(Whose),
}


def _read(annotation: str, value: Any) -> Any:
    """Return a field's value; ValueError if it is not of the field's kind."""
    kind = annotation.removesuffix(" | None")
    if value is None and kind != annotation:
        return None
    if kind in ("Inside", "str") and isinstance(value, str):
        return Inside(value) if kind == "Inside" else safe_text(value, limit=MAX_TEXT)
    if kind == "bool" and type(value) is bool:
        return value
    if kind == "int" and type(value) is int and abs(value) < 1 << 62:
        return value
    if kind == "float" and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if value in _WORDS.get(kind, ()) and isinstance(value, str):
        return value
    raise ValueError(f"{annotation}: not that")
