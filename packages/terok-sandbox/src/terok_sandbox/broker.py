"""Entry point of the broker process: the vault of one container, and the feed of what it sees.

It holds secrets, and reads nothing that the container has sent but requests to the vault.
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

from terok_sandbox.activity.feed import Feed, serve_feed
from terok_sandbox.activity.state import BROKER
from terok_sandbox.audit import AuditLog
from terok_sandbox.errors import AuditError
from terok_sandbox.netns.worker_context import WorkerContext
from terok_sandbox.shield.control import Connection
from terok_sandbox.shield.protocol import Fields
from terok_sandbox.vault import worker
from terok_sandbox.vault.errors import BudgetError
from terok_sandbox.vault.usage.meter import UsageMeter


def serve(ctx: WorkerContext) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    feed = Feed()

    def beside(meter: UsageMeter | None) -> Coroutine[Any, Any, None]:
        if meter is not None and ctx.sidecar.vault is not None:
            meter.refresh()
            audit_path = ctx.sidecar.vault.audit_path
            feed.operations["budget"] = BudgetOperation(audit_path, ctx.sidecar.container_name, meter)
        return serve_feed(feed, ctx.listeners.get(f"activity-{BROKER}"))

    return worker.serve(ctx, feed.tell, beside)


class BudgetOperation:
    """Answers `budget` requests: how the limits stand, and a person's decision, which is recorded first."""

    def __init__(self, audit_path: Path, container: str, meter: UsageMeter) -> None:
        self._audit_path = audit_path
        self._container = container
        self._meter = meter

    async def __call__(self, _: Connection, request: Fields) -> Fields:
        """Carry out one request."""
        return self._meter.decide(request, self._record)

    def _record(self, **decision: Any) -> None:
        try:
            with closing(AuditLog(self._audit_path, container=self._container)) as audit:
                audit.append("budget", **decision)
        except AuditError as error:
            raise BudgetError(f"the decision cannot be recorded: {error.message}", hint=error.hint) from error
