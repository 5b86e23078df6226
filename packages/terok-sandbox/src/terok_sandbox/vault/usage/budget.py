"""A container's budget: the limits in force, a person's decisions about them, and the calls that wait for one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final

from terok_util import TerokError

from terok_sandbox.sidecar import UsageWiring
from terok_sandbox.values.facts import BudgetFact, BudgetState, Fact
from terok_sandbox.values.limits import Limits, Whose
from terok_sandbox.vault.errors import BudgetError
from terok_sandbox.vault.refusal import VaultRefusal
from terok_sandbox.vault.usage.decisions import FINISH_SECONDS, IDLE_SECONDS, DecisionFile, Decisions
from terok_sandbox.vault.usage.journal import shared_dir
from terok_sandbox.vault.usage.rows import NANO, Totals

MAX_WAITING: Final = 64
"""Calls that wait at once; further ones are asked to come back."""
WAIT_SECONDS: Final = 540.0
"""How long a call waits before its client is asked to come back: most give up after ten minutes."""
RECHECK_SECONDS: Final = 2.0
"""How often a call that waits at a project's limit looks at what others of the project have done."""
USED_UP: Final = "budget_exceeded"
BUSY: Final = "budget_busy"

NEAR: Final = 0.8
"""Part of a limit from which on a person is warned."""

Standing = tuple[Whose, Limits, Totals]
"""Whose limits, the limits, and what is used of them."""


class TaskBudget:
    """Everything that limits one container's calls. Used from one event loop; `clock` is in seconds since the epoch."""

    def __init__(
        self, wiring: UsageWiring, tell: Callable[[Fact], None], clock: Callable[[], float] = time.time
    ) -> None:
        self._wiring = wiring
        self._tell = tell
        self._clock = clock
        self._files: dict[Whose, DecisionFile] = {
            "task": DecisionFile(wiring.journal.with_suffix(".budget.json"), lambda: wiring.task),
            "project": DecisionFile(wiring.journal.with_name("_project.budget.json")),
            "day": DecisionFile(shared_dir(wiring.journal) / "day.budget.json", self._today),
        }
        self._configured: dict[Whose, Limits] = {
            "task": wiring.task_limits,
            "project": wiring.project_limits,
            "day": wiring.day_limits,
        }
        self._told: dict[tuple[str, str], BudgetFact] = {}
        self._changed = asyncio.Event()
        self._waiting = 0
        self._quiet = 0.0
        self.under_way = 0
        self.held = 0
        """Calls that wait for a person."""
        self.limits: tuple[tuple[Whose, Limits], ...] = ()
        self.refresh()

    @property
    def troubled(self) -> bool:
        """Whether it was told last of a limit that is reached."""
        return any(fact.state in ("holds", "refuses") for fact in self._told.values())

    @property
    def limited(self) -> bool:
        """Whether anything is limited."""
        return any(limits.any for _, limits in self.limits)

    @property
    def finishing(self) -> bool:
        """Whether a turn is being finished: calls go through until none has been under way for a minute."""
        until, now = self._decided.finish_until, self._clock()
        if now >= until:
            return False
        return self.under_way > 0 or now - max(self._quiet, until - FINISH_SECONDS) < IDLE_SECONDS

    def refresh(self) -> None:
        """Take in what has been decided, also by way of another container of the project."""
        decided = {whose: file.read() for whose, file in self._files.items()}
        self._decided = decided["task"]
        self.limits = tuple((whose, decided[whose].limits(limits)) for whose, limits in self._configured.items())

    def begin(self) -> None:
        """Count a model call that leaves."""
        self.under_way += 1

    def end(self) -> None:
        """Count a model call that is over; who waits for its room may look again."""
        self.under_way -= 1
        self._quiet = self._clock()
        self.wake()

    def wake(self) -> None:
        """Let the calls that wait be decided about anew."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, refusal: VaultRefusal, since: float, told: Callable[[], None]) -> VaultRefusal | None:
        """Wait, instead of answering `refusal`, until the call may be decided about anew; else return what to answer.

        `since` is when it began to wait (`time.monotonic`); `told` is called when `held` has changed.
        """
        held = refusal.reason == USED_UP
        if not self.holds or not (held or refusal.reason == BUSY):
            return refusal
        left = WAIT_SECONDS - (time.monotonic() - since)
        if left <= 0 or self._waiting >= MAX_WAITING:
            return refusal.later or refusal
        shared = self._configured["project"].any or self._configured["day"].any
        changed = self._changed
        self._waiting += 1
        self.held += held
        told()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, RECHECK_SECONDS) if shared else left):
                    await changed.wait()
        finally:
            self._waiting -= 1
            self.held -= held
            # Not at once: who is about to wait again has not changed anything.
            asyncio.get_running_loop().call_soon(told)
        return None

    def decide(
        self, answer: str, whose: str, limit: str, most: float, record: Callable[[], None] = lambda: None
    ) -> None:
        """Keep a person's decision and put it in force; BudgetError when that is not possible.

        `record` is called in front of that, for a decision that can be carried out.
        """
        owner = next((one for one in self._files if one == (whose if answer == "raise" else "task")), None)
        if owner is None:
            raise BudgetError(f"{whose!r} has no budget", hint="it is that of the task, the project or the day")
        file = self._files[owner]
        decided = file.read()
        match answer:
            case "raise":
                decided = decided.raise_limit(self._configured[owner], limit, most)
            case "finish":
                decided = Decisions(decided.raised, finish_until=self._clock() + FINISH_SECONDS)
            case "stop":
                decided = Decisions(decided.raised, stopped=True)
            case _:
                raise BudgetError(f"unknown decision {answer!r}", hint="use raise, finish or stop")
        record()
        try:
            file.write(decided)
            if answer == "raise" and owner != "task":  # which ends what was decided for this task meanwhile
                self._files["task"].write(Decisions(self._files["task"].read().raised))
        except (OSError, TerokError) as error:
            raise BudgetError(f"the decision cannot be kept: {error}", hint="free some disk space") from error
        self.refresh()
        self.wake()

    def tell(self, standings: list[Standing]) -> None:
        """Tell how the limits stand that are reached, or were when it was told last."""
        for fact in self.facts(standings):
            known = self._told.get((fact.whose, fact.limit))
            if known is None and fact.over:
                continue
            if known is None or (known.state, known.held, known.most) != (fact.state, fact.held, fact.most):
                self._told[fact.whose, fact.limit] = fact
                self._tell(fact)

    def facts(self, standings: list[Standing]) -> Iterator[BudgetFact]:
        """Yield how each limit stands."""
        now, finishing = self._clock(), self.finishing
        over: BudgetState = "finishing" if finishing else "holds" if self.holds else "refuses"
        for whose, limits, used in standings:
            for name, amount in _amounts(used, now - self._wiring.started).items():
                most = getattr(limits, name)
                if most is None:
                    continue
                reached = amount >= most
                room: BudgetState = "near" if amount >= most * NEAR else "room"
                yield BudgetFact(
                    at=now,
                    whose=whose,
                    limit=name,
                    used=amount,
                    most=float(most),
                    state=over if reached else room,
                    held=self.held if reached else 0,
                )

    def _today(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).date().isoformat()

    @property
    def holds(self) -> bool:
        """Whether calls over a limit wait."""
        return self._wiring.on_limit == "hold" and not self._decided.stopped


def _amounts(used: Totals, elapsed: float) -> dict[str, float]:
    amounts = {"cost_usd": round(used.cost / NANO, 9), "wall_seconds": round(elapsed, 3)}
    return {field.name: float(amounts.get(field.name, getattr(used, field.name, 0))) for field in fields(Limits)}


def decision_of(request: dict[str, Any]) -> tuple[str, str, str, float]:
    """Return answer, whose, limit and number of a request; BudgetError unless they are of the right kind."""
    answer, whose, limit = (request.get(key, default) for key, default in _ASKED)
    most = request.get("most", 0.0)
    if not all(isinstance(text, str) for text in (answer, whose, limit)) or type(most) not in (int, float):
        raise BudgetError("a decision has an answer and, to raise a limit, its name and a number")
    return answer, whose, limit, float(most)


_ASKED: Final = (("answer", ""), ("whose", "task"), ("limit", ""))
