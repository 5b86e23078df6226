"""Entry point of the broker process: the vault of one container, and the feed of what it sees.

It holds secrets, and reads nothing that the container has sent but requests to the vault.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from terok_sandbox.activity.feed import Feed, serve_feed
from terok_sandbox.activity.state import BROKER
from terok_sandbox.netns.worker_context import WorkerContext
from terok_sandbox.vault import worker
from terok_sandbox.vault.usage.meter import UsageMeter


def serve(ctx: WorkerContext) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    feed = Feed()

    def beside(meter: UsageMeter | None) -> Coroutine[Any, Any, None]:
        return serve_feed(feed, ctx.listeners.get(f"activity-{BROKER}"))

    return worker.serve(ctx, feed.tell, beside)
