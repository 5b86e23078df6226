"""Run git's side of one HTTP request, streaming both ways."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import zlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

from terok_util.process import Process, kill_tree
from terok_util.text import safe_text

from terok_sandbox.descriptors import read_some, until_ready, write_all

_CHUNK: Final = 256 * 1024
_KILL_GRACE: Final = 1.0
_LAST_WORDS: Final = 2048

log = logging.getLogger(__name__)


class Backend:
    """One running service of git, whose streams are pipes.

    Use as an async context manager: leaving it, for whatever reason, ends the process and all that it started.
    `idle_timeout` (seconds) is how long neither side may be silent.
    """

    def __init__(self, process: Process, *, idle_timeout: float) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        for stream in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(stream.fileno(), False)
        self._idle_timeout = idle_timeout
        self._limit: asyncio.Timeout | None = None
        loop = asyncio.get_running_loop()
        self._ended = loop.create_task(wait_for_exit(process.pid))
        self._errors = loop.create_task(self._drain_errors())
        self._feeding: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Backend:
        return self

    async def __aexit__(self, *_: object) -> None:
        await uninterrupted(self.stop())

    def feed(self, body: AsyncIterator[bytes] | None) -> None:
        """Begin to pass a request's bytes on; None stands for a request without any."""
        self._feeding = asyncio.get_running_loop().create_task(self._feed(body))

    async def read(self) -> bytes:
        """Return what git says next, nothing at its end; TimeoutError when neither side says anything."""
        async with self._watched():
            return await read_some(self._stdout.fileno(), _CHUNK)

    async def finish(self) -> int:
        """Wait for the end and return the exit status."""
        async with self._watched():
            await asyncio.shield(self._ended)
        return self.process.wait()

    @contextlib.asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        async with asyncio.timeout(self._idle_timeout) as limit:
            self._limit = limit
            try:
                yield
            finally:
                self._limit = None

    async def _feed(self, body: AsyncIterator[bytes] | None) -> None:
        loop = asyncio.get_running_loop()
        if body is not None:
            try:
                async for chunk in body:
                    if self._limit is not None:
                        self._limit.reschedule(loop.time() + self._idle_timeout)
                    try:
                        await write_all(self._stdin.fileno(), chunk)
                    except BrokenPipeError:
                        return  # git has read enough: its answer says why
            except Exception as error:  # noqa: BLE001 - whatever cuts the request short ends the process
                log.info("request cut short: %s", type(error).__name__)
                await self._kill()
                return
        self._stdin.close()

    async def _drain_errors(self) -> None:
        last = b""
        while chunk := await read_some(self._stderr.fileno(), _CHUNK):
            last = (last + chunk)[-_LAST_WORDS:]
        if last.strip():
            log.info("git: %s", safe_text(last.strip(), limit=_LAST_WORDS))

    async def _kill(self) -> None:
        if self.process.returncode is None:  # else the id may be somebody else's by now
            await asyncio.to_thread(kill_tree, self.process.pid, _KILL_GRACE)

    async def stop(self) -> None:
        """Kill the process and its descendants unless it has ended, and release its pipes."""
        # The process is killed before its input is closed, or a receive-pack could take a cut request for a whole one.
        if not self._ended.done():
            await self._kill()
        if self._feeding is not None:
            self._feeding.cancel()
            await asyncio.gather(self._feeding, return_exceptions=True)
        await asyncio.gather(self._ended, self._errors, return_exceptions=True)
        self.process.wait()
        for stream in (self._stdin, self._stdout, self._stderr):
            stream.close()


async def wait_for_exit(pid: int) -> None:
    """Wait until a child has ended; it is not reaped."""
    handle = os.pidfd_open(pid)
    try:
        await until_ready(handle)
    finally:
        os.close(handle)


async def inflated(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield what a gzip body holds, in pieces of bounded size; zlib.error when it is damaged, EOFError when cut."""
    gzip = zlib.decompressobj(16 + zlib.MAX_WBITS)
    async for chunk in body:
        rest = chunk
        while rest and not gzip.eof:
            yield gzip.decompress(rest, _CHUNK)
            rest = gzip.unconsumed_tail
    if not gzip.eof:
        raise EOFError


async def uninterrupted(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` to its end even when the caller is canceled meanwhile; the cancellation is raised after it."""
    task = asyncio.get_running_loop().create_task(work)
    canceled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            canceled = error
    if canceled is not None and not task.cancelled() and task.exception() is None:
        raise canceled
    task.result()
