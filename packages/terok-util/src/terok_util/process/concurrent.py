"""Running a child to its end inside an event loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Callable, Coroutine
from typing import ParamSpec, TypeVar

from terok_util.process.blocking import run

P = ParamSpec("P")
T = TypeVar("T")


def _in_a_thread(function: Callable[P, T]) -> Callable[P, Coroutine[None, None, T]]:
    """Return a coroutine function that calls `function`, which takes `cancel` as `run` does, in a thread of its own."""

    async def call(*args: P.args, **keywords: P.kwargs) -> T:
        result: concurrent.futures.Future[T] = concurrent.futures.Future()
        cancel = keywords["cancel"] = os.eventfd(0)

        def work() -> None:
            try:
                result.set_result(function(*args, **keywords))
            except BaseException as error:  # noqa: BLE001 - handed to whoever awaits the result
                result.set_exception(error)

        waiting = asyncio.wrap_future(result)
        waiting.add_done_callback(lambda _: os.close(cancel))
        threading.Thread(target=work, daemon=True).start()
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            if not waiting.done():  # else the descriptor is closed, or about to be
                os.eventfd_write(cancel, 1)
            await asyncio.wait([waiting])  # cancelled once more, the thread ends by itself
            waiting.exception()
            raise

    return call


run_async = _in_a_thread(run)
"""Like `run`, without blocking the loop. Cancelling it kills and reaps the child and its descendants."""
