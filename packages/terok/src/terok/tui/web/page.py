"""An open page, and everything that waits to be said to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Final

MOST_WAITING: Final = 1024 * 1024
"""Characters that wait for a slow page; more are thrown away, and the whole screen is said anew."""


class Page:
    """An open page. Whatever is to be said waits here until the page takes it; it never holds the program up."""

    def __init__(self) -> None:
        self.stale = False
        """Whether something was thrown away, so that the page has to see everything anew."""
        self._waiting: list[str] = []
        self._size = 0
        self._news = asyncio.Event()
        self._over = False

    def say(self, line: str) -> None:
        """Have a line said."""
        if self._size + len(line) > MOST_WAITING:
            self._waiting.clear()
            self._size, self.stale = 0, True
        self._waiting.append(line)
        self._size += len(line)
        self._news.set()

    def end(self, reason: str) -> None:
        """Have the reason said, and nothing after it."""
        self.say(json.dumps(["end", reason]))
        self._over = True

    async def lines(self) -> AsyncIterator[str]:
        """Return what is to be said, as it comes, until the end."""
        while True:
            await self._news.wait()
            self._news.clear()
            taken, self._waiting, self._size = self._waiting, [], 0
            for line in taken:
                yield line
            if self._over and not self._waiting:
                return
