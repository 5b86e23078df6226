"""Running a child to its end inside an event loop."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from typing import IO, TYPE_CHECKING

from terok_util.process.blocking import MAX_OUTPUT, finish, input_end
from terok_util.process.errors import ProcessTimeout
from terok_util.process.exchange import LINGER, Exchange
from terok_util.process.kill import GRACE, ProcessTree, reap
from terok_util.process.start import PIPE, spawn

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from terok_util.process.result import Completed

_POLL = 0.02


async def run_async(
    argv: Sequence[str | os.PathLike[str]],
    *,
    timeout: float,  # noqa: ASYNC109 - the same signature as run()
    input: bytes | None = None,  # noqa: A002
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    check: bool = True,
    redact: Iterable[str | bytes] = (),
    pass_fds: Sequence[int] = (),
    max_output: int = MAX_OUTPUT,
    stdin: int | IO[bytes] | None = None,
) -> Completed:
    """Like `run`, without blocking the loop. Cancelling it kills and reaps the child and its descendants."""
    secrets = tuple(redact)
    source = input_end(input, stdin)
    child = spawn(argv, stdin=source, stdout=PIPE, stderr=PIPE, env=env, cwd=cwd, pass_fds=pass_fds, detach=True)
    exchange = Exchange.begin(child, data=input, max_output=max_output)
    conversation = _Conversation(exchange)
    try:
        async with asyncio.timeout(timeout):
            await conversation.over
    except TimeoutError:
        conversation.stop()
        await _end(child)
        raise ProcessTimeout(exchange.argv, timeout, secrets=secrets) from None
    except BaseException:
        conversation.stop()
        await _end(child)
        raise
    finally:
        conversation.stop()
        exchange.close()
    return finish(exchange, secrets, check=check)


class _Conversation:
    """Connects an exchange to the loop; `over` is done when the exchange is."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._loop = asyncio.get_running_loop()
        self.over: asyncio.Future[None] = self._loop.create_future()
        self._linger: asyncio.TimerHandle | None = None
        self._watched = {*exchange.readers, *exchange.writers, exchange.ended}
        for descriptor in exchange.readers:
            self._loop.add_reader(descriptor, self._ready, descriptor)
        for descriptor in exchange.writers:
            self._loop.add_writer(descriptor, self._ready, descriptor)
        self._loop.add_reader(exchange.ended, self._exited)

    def stop(self) -> None:
        """Watch nothing any more."""
        for descriptor in [*self._watched]:
            self._forget(descriptor)
        if self._linger is not None:
            self._linger.cancel()

    def _ready(self, descriptor: int) -> None:
        self._guard(lambda: self._exchange.ready(descriptor))
        if descriptor not in self._exchange.readers | self._exchange.writers:
            self._forget(descriptor)
        self._conclude()

    def _exited(self) -> None:
        self._exchange.exited = True
        self._forget(self._exchange.ended)
        self._linger = self._loop.call_later(LINGER, self._resolve)
        self._conclude()

    def _forget(self, descriptor: int) -> None:
        if descriptor in self._watched:
            self._watched.discard(descriptor)
            self._loop.remove_reader(descriptor)
            self._loop.remove_writer(descriptor)

    def _guard(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits the conversation
            if not self.over.done():
                self.over.set_exception(error)

    def _conclude(self) -> None:
        if self._exchange.done:
            self._resolve()

    def _resolve(self) -> None:
        if not self.over.done():
            self.over.set_result(None)


async def _end(child: subprocess.Popen[bytes]) -> None:
    """`kill_tree` without blocking the loop; a second cancellation only shortens the grace."""
    tree = ProcessTree(child.pid)
    try:
        tree.signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while not tree.wait(0) and time.monotonic() < deadline:  # noqa: ASYNC110 - processes set no Event
            await asyncio.sleep(_POLL)
    finally:
        tree.kill()
        tree.close()
        reap(child)
