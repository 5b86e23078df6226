"""The host's word in sessions: refused destinations to be allowed, budgets that are reached, and what was spent.

It is followed only while an editor is connected, so that nothing waits for a person who is not there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Final

from terok_util import TerokError, safe_text

from terok_acp.conductor.host_questions import HostQuestion
from terok_acp.daemon.told import Told
from terok_acp.integrations.sandbox import BudgetFact, ClearanceClient, ClearanceEvent, Sandbox, Verdict

_CLEARANCE: Final = (
    ("once", "Allow once", "allow_once"),
    ("task", "Allow for this task", "allow_always"),
    ("deny", "Deny", "reject_once"),
)
_BUDGET: Final = (
    ("raise", "Raise it by half", "allow_once"),
    ("finish", "Finish this turn", "allow_once"),
    ("stop", "Stop", "reject_once"),
)
_VERDICTS: Final = {
    "once": Verdict("allow"),
    "task": Verdict("allow", "task"),
    "deny": Verdict("deny", reason="a person at the editor has denied it"),
}
_LONGEST_PAUSE: Final = 10.0


class HostWatch:
    """Follows one container's gateway and budget, and brings a person's answers to them."""

    def __init__(self, sandbox: Sandbox, container: str, told: Told) -> None:
        self._sandbox = sandbox
        self._container = container
        self._told = told
        self._tasks: list[asyncio.Task[None]] = []
        self._deciding: set[asyncio.Task[None]] = set()
        self._targets: dict[str, str] = {}
        self._budgets: dict[str, BudgetFact] = {}
        self._near: set[tuple[str, str]] = set()

    def start(self) -> None:
        """Begin to follow."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(work) for work in (self._clearances(), self._activity())]

    def stop(self) -> None:
        """Follow no longer."""
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    def decide(self, number: str, choice: str) -> None:
        """Carry a person's answer out."""
        self._spawn(self._decide(number, choice))

    async def _decide(self, number: str, choice: str) -> None:
        try:
            if number in self._targets:
                client = ClearanceClient(self._socket)
                await client.decide(number, self._targets[number], _VERDICTS[choice])
            elif number in self._budgets:
                fact = self._budgets[number]
                more = {"limit": fact.limit, "most": fact.most * 1.5, "whose": fact.whose} if choice == "raise" else {}
                await asyncio.to_thread(self._sandbox.decide_budget, self._container, choice, **more)  # type: ignore[arg-type]
        except TerokError as error:
            self._told.host_notice(f"the answer could not be carried out: {error.message}")

    async def _clearances(self) -> None:
        pause = 0.1
        while True:
            with suppress(TerokError, OSError):
                async with ClearanceClient(self._socket, answers=True) as client:
                    pause = 0.1
                    while True:
                        self._clearance(await client.next_event())
            for number in list(self._targets):
                self._over(number)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _clearance(self, event: ClearanceEvent) -> None:
        request = event.request
        if event.kind == "request" and request is not None and request.id not in self._targets:
            self._targets[request.id] = str(request.target)
            asks = f"{request.program} asks for it. " if request.program else ""
            warning = "The name has letters that look like others. " if request.punycode else ""
            why = f"{asks}{warning}{request.why}. Allowing opens {request.target.services}."
            title = f"Reach {safe_text(str(request.target))}?"
            self._told.host_asked(HostQuestion(request.id, title, why, _CLEARANCE))
        elif event.kind == "resolved":
            self._over(event.request_id)

    def _over(self, number: str) -> None:
        if self._targets.pop(number, None) is not None:
            self._told.host_question_over(number)

    async def _activity(self) -> None:
        with suppress(TerokError, OSError):
            async with self._sandbox.activity(self._container) as feed:
                async for now in feed:
                    if now.usage is not None and now.usage.cost_known:
                        self._told.spent(now.usage.cost_usd)
                    self._budget_news(now.budgets, now.nearly_spent)

    def _budget_news(self, reached: tuple[BudgetFact, ...], near: tuple[BudgetFact, ...]) -> None:
        holding = {f"budget-{one.whose}-{one.limit}": one for one in reached if one.state == "holds"}
        for number in [number for number in self._budgets if number not in holding]:
            del self._budgets[number]
            self._told.host_question_over(number)
        for number, fact in holding.items():
            if number not in self._budgets:
                title = f"The budget is reached: {fact.limit} {fact.used:g} of {fact.most:g}. Go on?"
                self._told.host_asked(HostQuestion(number, title, "Calls of the model wait for an answer.", _BUDGET))
            self._budgets[number] = fact
        for fact in near:
            if (fact.whose, fact.limit) not in self._near:
                self._near.add((fact.whose, fact.limit))
                self._told.host_notice(f"{fact.limit} of this {fact.whose}: {fact.used:g} of {fact.most:g} is used")

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._deciding.add(task)
        task.add_done_callback(self._deciding.discard)

    @property
    def _socket(self) -> Path:
        return self._sandbox.config.gateway_socket(self._container)
