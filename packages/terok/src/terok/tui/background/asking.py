"""Standing for the person at the gateways of containers, while they look at what is asked."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from terok_util import TerokError, safe_text

from terok.services.clearances import attend

if TYPE_CHECKING:
    from collections.abc import Callable

    from terok.services.clearances import Wish


class Asked(NamedTuple):
    """Everything that waits for a verdict, or why that is not known."""

    wishes: tuple[Wish, ...] = ()
    problem: str = ""


class Asking:
    """Tells what waits, whenever that changes, from a thread with a loop of its own."""

    def __init__(self, tell: Callable[[Asked], None]) -> None:
        self._tell = tell
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="asking", daemon=True).start()

    def stop(self) -> None:
        """End the thread; nobody stands for the person any more."""
        self._stopped = True
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # it has ended meanwhile
                self._loop.call_soon_threadsafe(self._task.cancel)

    def _run(self) -> None:
        try:
            asyncio.run(self._attend())
        except asyncio.CancelledError:
            pass
        except (TerokError, OSError) as error:
            self._tell(Asked(problem=safe_text(str(error), limit=300)))

    async def _attend(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if not self._stopped:
            await attend(lambda wishes: self._tell(Asked(tuple(wishes))))
