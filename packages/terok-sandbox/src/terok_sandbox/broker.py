"""Entry point of the broker process: the vault of one container, and the feed of what it sees.

It holds secrets, and reads nothing that the container has sent but requests to the vault.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from terok_sandbox.activity.feed import Feed, serve_feed
from terok_sandbox.activity.state import BROKER
from terok_sandbox.audit import AuditLog
from terok_sandbox.netns.worker_context import WorkerContext
from terok_sandbox.shield.control import Connection
from terok_sandbox.shield.protocol import Fields
from terok_sandbox.vault import worker
from terok_sandbox.vault.usage.budget import decision_of
from terok_sandbox.vault.usage.meter import UsageMeter


def serve(ctx: WorkerContext) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    feed = Feed()

    def beside(meter: UsageMeter | None) -> Coroutine[Any, Any, None]:
        if meter is not None:
            meter.refresh()
            feed.operations["budget"] = BudgetOperation(ctx, meter)
        return serve_feed(feed, ctx.listeners.get(f"activity-{BROKER}"))

    return worker.serve(ctx, feed.tell, beside)


class BudgetOperation:
    """Answers `budget` requests: how the limits stand, and a person's decision, which is recorded first."""

    def __init__(self, ctx: WorkerContext, meter: UsageMeter) -> None:
        self._ctx = ctx
        self._meter = meter

    async def __call__(self, _: Connection, request: Fields) -> Fields:
        """Carry out one request."""
        sidecar = self._ctx.sidecar
        if "answer" in request and sidecar.vault is not None:
            answer, whose, limit, most = decision_of(request)
            audit = AuditLog(sidecar.vault.audit_path, container=sidecar.container_name)
            try:
                audit.append("budget", answer=answer, whose=whose, limit=limit, most=most)
            finally:
                audit.close()
        return self._meter.decide(request)
