"""The stub provider beside blocking code: an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from terok.stub.script import Script
from terok.stub.server import Pause, StubProvider

START_TIMEOUT = 10.0
STOP_TIMEOUT = 10.0


@contextmanager
def running_stub(
    script: Script, *, port: int = 0, api_key: str | None = None, pause: Pause | None = None
) -> Iterator[StubProvider]:
    """Serve a StubProvider from a thread until the block ends; StubError if it cannot listen.

    `provider.seen` may be read at any time from the calling thread.
    """
    provider = StubProvider(script, port=port, api_key=api_key, pause=pause)
    started: Future[asyncio.Event] = Future()
    loop_ready: Future[asyncio.AbstractEventLoop] = Future()
    thread = threading.Thread(
        target=lambda: asyncio.run(_serve(provider, loop_ready, started)), name="terok-stub", daemon=True
    )
    thread.start()
    stop = started.result(timeout=START_TIMEOUT)
    try:
        yield provider
    finally:
        if pause is not None:
            pause.resume()
        loop_ready.result(timeout=0).call_soon_threadsafe(stop.set)
        thread.join(STOP_TIMEOUT)


async def _serve(
    provider: StubProvider, loop_ready: Future[asyncio.AbstractEventLoop], started: Future[asyncio.Event]
) -> None:
    stop = asyncio.Event()
    loop_ready.set_result(asyncio.get_running_loop())
    try:
        async with provider:
            started.set_result(stop)
            await stop.wait()
    except Exception as error:
        # The thread that asked for the stub raises it.
        if started.done():
            raise
        started.set_exception(error)
