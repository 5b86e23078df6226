"""The stub provider beside blocking code: an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from terok.stub.script import Script
from terok.stub.server import Pause, StubProvider

START_TIMEOUT = 10.0
STOP_TIMEOUT = 10.0


@contextmanager
def running_stub(script: Script, *, pause: Pause | None = None, **options: Any) -> Iterator[StubProvider]:
    """Serve a StubProvider, made with `options`, from a thread until the block ends; StubError if it cannot listen.

    `provider.seen` and `provider.invoice` may be read at any time from the calling thread.
    """
    provider = StubProvider(script, pause=pause, **options)
    started: Future[Callable[[], object]] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(provider, started)), name="terok-stub", daemon=True)
    thread.start()
    stop = started.result(timeout=START_TIMEOUT)
    try:
        yield provider
    finally:
        if pause is not None:
            pause.resume()
        stop()
        thread.join(STOP_TIMEOUT)


async def _serve(provider: StubProvider, started: Future[Callable[[], object]]) -> None:
    """Serve until somebody calls, in any thread, what `started` is given."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    try:
        async with provider:
            started.set_result(lambda: loop.call_soon_threadsafe(stop.set))
            await stop.wait()
    except Exception as error:
        # The thread that asked for the stub raises it.
        if started.done():
            raise
        started.set_exception(error)
