"""From facts to what a container is doing now: pure, bounded, and the same in whatever order the facts arrive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from terok_sandbox.values.facts import (
    BudgetFact,
    Fact,
    Key,
    Life,
    ModelCall,
    Provider,
    Push,
    Question,
    UsageFact,
    Worker,
)

MAX_OVER: Final = 64
"""Facts of one kind that are kept after nothing more will come of them."""
MAX_STANDING: Final = 512
"""Facts of one kind that still stand; a container has fewer connections than that."""
BROKER: Final = "broker"
GATEWAY: Final = "gateway"
HOST: Final = "host"
"""Sources of facts: the two workers, and what the reader has found out on the host."""

_F = TypeVar("_F", bound=Fact)


@dataclass(frozen=True, slots=True)
class Part:
    """The facts of one source, each with its number there; of two about the same thing the one told last counts.

    Numbers begin anew with each `run` of the source, so facts of another run are not for this part.
    """

    run: str = ""
    entries: Mapping[Key, tuple[int, Fact]] = field(default_factory=dict)

    @property
    def facts(self) -> list[tuple[int, Fact]]:
        """The facts with their numbers, oldest first."""
        return sorted(self.entries.values(), key=lambda entry: entry[0])

    def add(self, number: int, fact: Fact) -> Part:
        """Return the part with one more fact taken in."""
        known = self.entries.get(fact.key)
        if known is not None and known[0] >= number:
            return self
        return Part(self.run, _bounded({**self.entries, fact.key: (number, fact)}, fact))


def _bounded(entries: dict[Key, tuple[int, Fact]], newest: Fact) -> dict[Key, tuple[int, Fact]]:
    """Drop the oldest entry of the kind of `newest` if there are too many like it."""
    most = MAX_OVER if newest.over else MAX_STANDING
    if len(entries) > most:
        alike = [
            (number, key)
            for key, (number, fact) in entries.items()
            if fact.kind == newest.kind and fact.over == newest.over
        ]
        if len(alike) > most:
            del entries[min(alike)[1]]
    return entries


@dataclass(frozen=True, slots=True)
class Activity:
    """Everything that one container is doing, as far as the host knows.

    `unheard` names the workers whose facts are missing now, as they do not answer: what they told last still stands in
    here, with its age. `news` are the facts that came since the snapshot before, oldest first.
    """

    container: str
    parts: Mapping[str, Part] = field(default_factory=dict)
    unheard: frozenset[str] = frozenset()
    news: tuple[Fact, ...] = ()

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Everything known, in the order it happened."""
        found = [fact for part in self.parts.values() for _, fact in part.facts]
        return tuple(sorted(found, key=lambda fact: fact.at))

    @property
    def life(self) -> Life | None:
        """The container itself; None before anything is known of it."""
        return next(iter(self._of(Life)), None)

    @property
    def calls(self) -> tuple[ModelCall, ...]:
        """Model calls under way, oldest first."""
        return tuple(call for call in self._of(ModelCall) if not call.over)

    @property
    def last_call(self) -> ModelCall | None:
        """The model call that was begun or ended last."""
        return max(self._of(ModelCall), key=lambda call: call.at, default=None)

    @property
    def providers(self) -> dict[str, Provider]:
        """How each provider answers."""
        return {one.provider: one for one in self._of(Provider)}

    @property
    def questions(self) -> tuple[Question, ...]:
        """Clearance requests that wait for a person, oldest first."""
        return tuple(one for one in self._of(Question) if not one.over)

    @property
    def budgets(self) -> tuple[BudgetFact, ...]:
        """Limits that are reached, and calls that wait at them."""
        return tuple(one for one in self._of(BudgetFact) if one.state not in ("room", "near"))

    @property
    def nearly_spent(self) -> tuple[BudgetFact, ...]:
        """Limits of which four fifths are used."""
        return tuple(one for one in self._of(BudgetFact) if one.state == "near")

    @property
    def held(self) -> int:
        """How many calls wait for a person's word on the budget."""
        return max((one.held for one in self.budgets), default=0)

    @property
    def usage(self) -> UsageFact | None:
        """Usage of the task so far."""
        return next(iter(self._of(UsageFact)), None)

    @property
    def pushes(self) -> tuple[Push, ...]:
        """The last push of each branch and tag, oldest first."""
        return tuple(self._of(Push))

    @property
    def workers(self) -> dict[str, Worker]:
        """The worker processes by name."""
        return {one.name: one for one in self._of(Worker)}

    def _of(self, kind: type[_F]) -> list[_F]:
        return [fact for fact in self.facts if isinstance(fact, kind)]
