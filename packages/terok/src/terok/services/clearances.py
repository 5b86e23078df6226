"""Destinations that containers were refused, and that wait for a person: what waits, and verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from terok_util import UsageError, safe_text

from terok.integrations.sandbox import SandboxConfig, Verdict, answer_request, waiting_requests

if TYPE_CHECKING:
    from terok.integrations.sandbox import ClearanceRequest
    from terok.model.task import Task
    from terok.services.tasks_base import TaskBase

SPANS: Final = {"once": "once", "minutes": "10 minutes", "task": "this task", "project": "this project"}
"""How long a verdict holds, in words."""
_MINUTES: Final = 10
Span = Literal["once", "minutes", "task", "project"]


class Wish(NamedTuple):
    """One question: who asks for what, since when, and why it was refused. All text is safe."""

    id: str
    task: str
    container: str
    target: str
    program: str
    why: str
    since: float
    count: int
    first_time: bool
    odd: str
    """A warning about the name, such as letters that look like others; "" for none."""


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

    def decide(self, wish: str, *, allow: bool, span: Span = "once", reason: str = "") -> str:
        """Answer a question and return what was said, in words.

        Raises:
            TerokError: It no longer waits, or the gateway refuses the verdict.
        """
        if span not in SPANS:
            raise UsageError(f"unknown span {span[:20]!r}", hint=f"use one of {', '.join(SPANS)}")
        minutes = _MINUTES if span == "minutes" else 0
        verdict = Verdict("allow" if allow else "deny", span, minutes, safe_text(reason, limit=300))
        request = answer_request(self._config, wish, verdict)
        return f"{'allowed' if allow else 'denied'} {verdict.span}: {request.target}"


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
    )
