"""Run git's side of one HTTP request, streaming both ways."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import zlib
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Final

from terok_util.process import kill_tree
from terok_util.text import safe_text

if TYPE_CHECKING:
    from asyncio.subprocess import Process

_CHUNK: Final = 256 * 1024
_KILL_GRACE: Final = 1.0
_LAST_WORDS: Final = 2048

log = logging.getLogger(__name__)


class Backend:
    """One running service of git, given as the coroutine that starts it.

    Use as an async context manager: leaving it, for whatever reason, ends the process and all that it started.
    `body` yields the request's bytes; `idle_timeout` (seconds) is how long neither side may be silent.
    """

    def __init__(
        self, starting: Coroutine[Any, Any, Process], body: AsyncIterator[bytes] | None, *, idle_timeout: float
    ) -> None:
        self._starting = starting
        self._body = body
        self._idle_timeout = idle_timeout
        self._process: Process
        self._feeding: asyncio.Task[None]
        self._errors: asyncio.Task[None]
        self._limit: asyncio.Timeout | None = None

    async def __aenter__(self) -> Backend:
        try:
            await _uninterrupted(self._start())
        except asyncio.CancelledError:
            await _uninterrupted(self._end())
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await _uninterrupted(self._end())

    async def read(self) -> bytes:
        """Return what git says next, nothing at its end; TimeoutError when neither side says anything."""
        async with self._watched():
            return await self._stdout.read(_CHUNK)

    async def finish(self) -> int:
        """Wait for the end and return the exit status."""
        async with self._watched():
            return await self._process.wait()

    async def _start(self) -> None:
        self._process = await self._starting
        loop = asyncio.get_running_loop()
        self._feeding = loop.create_task(self._feed())
        self._errors = loop.create_task(self._drain_errors())

    @property
    def _stdout(self) -> asyncio.StreamReader:
        assert self._process.stdout is not None
        return self._process.stdout

    @contextlib.asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        async with asyncio.timeout(self._idle_timeout) as limit:
            self._limit = limit
            try:
                yield
            finally:
                self._limit = None

    async def _feed(self) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        loop = asyncio.get_running_loop()
        if self._body is not None:
            try:
                async for chunk in self._body:
                    if self._limit is not None:
                        self._limit.reschedule(loop.time() + self._idle_timeout)
                    if not await _written(stdin, chunk):
                        return
            except Exception as error:  # noqa: BLE001 - whatever cuts the request short ends the process
                log.info("request cut short: %s", type(error).__name__)
                await self._kill()
                return
        stdin.close()

    async def _drain_errors(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        last = b""
        while chunk := await stderr.read(_CHUNK):
            last = (last + chunk)[-_LAST_WORDS:]
        if last.strip():
            log.info("git: %s", safe_text(last.strip(), limit=_LAST_WORDS))

    async def _kill(self) -> None:
        await asyncio.to_thread(kill_tree, self._process, _KILL_GRACE)

    async def _end(self) -> None:
        # The process is ended before its input is closed: a receive-pack must not take a cut request for a whole one.
        if self._process.returncode is None:
            await self._kill()
        self._feeding.cancel()
        await asyncio.gather(self._feeding, return_exceptions=True)
        stdin = self._process.stdin
        assert stdin is not None
        stdin.close()
        # A pipe with unread output would keep the process from being reaped.
        while await self._stdout.read(_CHUNK):
            pass
        await asyncio.gather(self._errors, stdin.wait_closed(), return_exceptions=True)
        await self._process.wait()


async def inflated(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield what a gzip body holds, in pieces of bounded size; zlib.error when it is damaged, EOFError when cut."""
    gzip = zlib.decompressobj(16 + zlib.MAX_WBITS)
    async for chunk in body:
        for piece in _inflate(gzip, chunk):
            yield piece
    if not gzip.eof:
        raise EOFError


def _inflate(gzip: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    while chunk and not gzip.eof:
        yield gzip.decompress(chunk, _CHUNK)
        chunk = gzip.unconsumed_tail


async def _uninterrupted(work: Coroutine[Any, Any, None]) -> None:
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


async def _written(stdin: asyncio.StreamWriter, chunk: bytes) -> bool:
    try:
        stdin.write(chunk)
        await stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        return False  # the backend has read enough; its answer says why
    return True
