"""The program of one browser: started when a page is there, ended when nobody has looked at it for long."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import suppress
from typing import Final

from terok_util.process import DEVNULL, Process, kill_tree, spawn

from terok.tui.web.page import Page

ALONE: Final = 30 * 60.0
"""Seconds that a program waits for a page to come back; where a person was is kept beyond it."""
FORGOTTEN: Final = 12 * 3600.0
"""Seconds after which a browser in which nobody does anything needs another link."""
LONGEST: Final = 8 * 1024 * 1024
"""Bytes of the longest line that a program says: a screen full of the strangest characters."""
_FAILED: Final = "terok has failed: the terminal of its server says how."
_FAREWELL: Final = 3.0
"""Seconds that a program may take to end by itself."""


class Program:
    """A process of the terminal interface, and the page that shows it."""

    def __init__(self) -> None:
        self._page: Page | None = None
        self._hello = ""
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._used = asyncio.get_running_loop().time()

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._task is not None

    @property
    def forgotten(self) -> bool:
        """Whether it was not used for so long that the browser is let in no more."""
        return asyncio.get_running_loop().time() - self._used >= FORGOTTEN

    def show(self, page: Page) -> None:
        """Show the program on a page, in place of the one before; start it if it does not run."""
        if self._page is not None:
            self._page.end("It was opened in another tab or window.")
        self._page, self._hello = page, ""
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        self._watch(FORGOTTEN)

    def leave(self, page: Page) -> None:
        """Take note that a page is gone."""
        if self._page is page:
            self._page = None
            self._watch(ALONE)

    async def hear(self, line: str) -> None:
        """Pass on what the page says."""
        self._used = asyncio.get_running_loop().time()
        if "\n" in line:
            return
        if line.startswith(('["hello",', '["size",')):
            self._hello = line.replace('"size"', '"hello"', 1)
        if self._writer is not None:
            self._write(line)
            with suppress(ConnectionError):
                await self._writer.drain()

    async def end(self, reason: str) -> None:
        """End the process, and tell the page why."""
        if self._limit is not None:
            self._limit.cancel()
        if self._task is not None:
            self._task.cancel(reason)
            await asyncio.gather(self._task, return_exceptions=True)

    def _watch(self, seconds: float) -> None:
        """End the process when nothing has come from a page for so long."""
        loop = asyncio.get_running_loop()
        self._used = loop.time()
        if self._limit is not None:
            self._limit.cancel()
        self._limit = loop.call_later(seconds, self._look, seconds)

    def _look(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        left = self._used + seconds - loop.time()
        if left > 0:
            self._limit = loop.call_later(left, self._look, seconds)
        elif self._task is not None:
            self._task.cancel("Nobody has used it for long.")

    async def _run(self) -> None:
        reason = _FAILED
        try:
            reason = await self._live()
        except asyncio.CancelledError as error:
            reason = str(error.args[0]) if error.args else ""
        finally:
            page, self._page, self._task = self._page, None, None
            if page is not None:
                page.end(reason)

    async def _live(self) -> str:
        """Run the process to its end, and return what to say of that."""
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await asyncio.open_connection(sock=ours, limit=LONGEST)
            argv = [sys.executable, "-P", "-m", "terok.tui.web", str(theirs.fileno())]
            process = spawn(argv, stdout=DEVNULL, env=_environment(), pass_fds=(theirs.fileno(),))
        self._writer = writer
        try:
            if self._hello:
                self._write(self._hello)
            await self._say(reader)
        finally:
            self._writer = None
            code = await asyncio.shield(_farewell(reader, writer, process))
        return "terok was left." if code == 0 else _FAILED

    def _write(self, line: str) -> None:
        if self._writer is not None:
            self._writer.write(line.encode("utf-8", "replace") + b"\n")

    async def _say(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError, ValueError):  # a line longer than any screen ends it, too
            while line := await reader.readline():
                if (page := self._page) is None:
                    continue
                page.say(line.decode("utf-8", "replace").rstrip("\n"))
                if page.stale and self._hello:
                    page.stale = False
                    self._write(self._hello)


async def _farewell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, process: Process) -> int:
    """Let a program end by itself, then make sure of it; returns its exit code."""
    with suppress(OSError, RuntimeError, TimeoutError):
        writer.write_eof()
        async with asyncio.timeout(_FAREWELL):
            while await reader.read(LONGEST):
                pass
    writer.close()
    await asyncio.to_thread(kill_tree, process)
    return process.returncode or 0


def _environment() -> dict[str, str]:
    """Return our environment as a program without a terminal needs it."""
    ours = {name: value for name, value in os.environ.items() if name not in ("TMUX", "COLUMNS", "LINES")}
    return {**ours, "TERM": "xterm-256color", "COLORTERM": "truecolor", "TEXTUAL_COLOR_SYSTEM": "truecolor"}
