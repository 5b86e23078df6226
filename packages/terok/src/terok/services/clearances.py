"""Destinations that containers were refused, and that wait for a person: what waits, and verdicts."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from terok_util import safe_text

from terok.integrations.sandbox import MultiSocketSubscriber, SandboxConfig, Verdict, answer_request, waiting_requests
from terok.services.tasks_base import TaskBase

if TYPE_CHECKING:
    from collections.abc import Callable

    from terok.integrations.sandbox import ClearanceRequest
    from terok.model.task import Task

_GATHER: Final = 0.1
"""Seconds in which further news join the first."""
Span = Literal["once", "minutes", "task", "project"]


class Wish(NamedTuple):
    """One question: who asks for what, since when, and why it was refused. All text is safe."""

    id: str
    task: str
    container: str
    target: str
    program: str
    """The name that the program that asks gives itself, "" where it was not found; a hint and no more."""
    why: str
    since: float
    times: int
    first_time: bool
    odd: str
    """A warning about the name, such as letters that look like others; "" for none."""
    address: str = ""
    opens: str = ""
    """The services that an allow opens, in words."""
    domain: str = ""
    context: tuple[tuple[str, str], ...] = ()
    """Facts about the container's task, each with its name."""


class Clearances:
    """Use cases of clearance: reads and answers, and keeps nothing itself."""

    def __init__(self, tasks: TaskBase, config: SandboxConfig | None = None) -> None:
        self._tasks = tasks
        self._config = config or SandboxConfig.load()

    def waiting(self, task: Task | None = None) -> list[Wish]:
        """Return the questions that wait, of all containers or of one task's, the oldest first."""
        owners = {one.container: one.id for one in self._tasks.store.tasks()}
        found = waiting_requests(self._config, task.container if task is not None else None)
        return sorted((_wish(one, owners) for one in found), key=lambda one: one.since)

    def decide(self, wish: str, *, allow: bool, span: Span = "once", minutes: int = 0, reason: str = "") -> str:
        """Answer a question and return what was said, in words. `minutes` belong to the span of that name.

        Raises:
            TerokError: It no longer waits, or the gateway refuses the verdict.
        """
        raw = {"action": "allow" if allow else "deny", "scope": span, "minutes": minutes, "reason": reason}
        verdict = Verdict.from_json(raw)
        request = answer_request(self._config, wish, verdict)
        return f"{'allowed' if allow else 'denied'} {verdict.span}: {request.target}"


async def attend(tell: Callable[[list[Wish]], None]) -> None:
    """Stand for the person at every container's gateway until cancelled, and tell what waits whenever that changes.

    While somebody does, a destination that was refused is held for a while: the program that asks goes on as soon as
    it is allowed. `tell` is called in the thread of this loop.
    """
    config = SandboxConfig.load()
    async with MultiSocketSubscriber(config, answers=True) as subscriber:
        while True:
            found = await asyncio.to_thread(_waiting, config)
            programs = {one.id: one.program for one in subscriber.waiting}
            tell([one._replace(program=safe_text(programs.get(one.id, ""), limit=32)) for one in found])
            await subscriber.next_event()
            with suppress(TimeoutError):
                async with asyncio.timeout(_GATHER):
                    while True:
                        await subscriber.next_event()


def _waiting(config: SandboxConfig) -> list[Wish]:
    with TaskBase(create=False) as tasks:
        return Clearances(tasks, config).waiting()


def _wish(request: ClearanceRequest, owners: dict[str, str]) -> Wish:
    return Wish(
        safe_text(request.id, limit=64),
        owners.get(request.container, ""),
        safe_text(request.container, limit=63),
        safe_text(str(request.target), limit=300),
        safe_text(request.program, limit=32),
        safe_text(request.why, limit=200),
        request.first_seen,
        request.count,
        request.first_time,
        "letters that look like others" if request.punycode else "",
        safe_text(request.target.address if request.target.name else "", limit=64),
        safe_text(request.target.services, limit=60),
        safe_text(request.domain, limit=253),
        tuple((safe_text(key, limit=32), safe_text(value, limit=200)) for key, value in request.dossier.items()),
    )
