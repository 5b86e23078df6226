"""Runs adapters for the conductor: each has a thread of its own, and a socket that the event loop reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from terok_util import TerokError, safe_text

from terok_acp.daemon.wires import AdapterWire
from terok_acp.protocol.frames import Frame
from terok_acp.protocol.framing import FROM_EDITOR, Violation

if TYPE_CHECKING:
    from terok_acp.adapters.process import AdapterProcess

_DETAILS: Final = 600
"""Characters of an adapter's last words that an editor is shown."""


class RunningAdapters:
    """The conductor's port to adapters.

    `make` returns the process of an agent, ready to be started; it may block and runs in a thread.
    """

    def __init__(
        self,
        make: Callable[[str], AdapterProcess],
        on_frames: Callable[[int, list[Frame | Violation], int], None],
        on_gone: Callable[[int, str], None],
    ) -> None:
        self._make = make
        self._on_frames = on_frames
        self._on_gone = on_gone
        self._wires: dict[int, AdapterWire] = {}
        self._processes: dict[int, AdapterProcess] = {}
        self._making = ThreadPoolExecutor(1, "acp-make")
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, number: int, agent: str) -> None:
        """Start an agent's adapter."""
        self._wires[number] = AdapterWire(
            FROM_EDITOR,
            on_frames=lambda frames, size: self._on_frames(number, frames, size),
            on_end=lambda: self._ended(number),
        )
        self._spawn(self._start(number, agent))

    def send(self, number: int, line: bytes) -> None:
        """Write a line to an adapter."""
        wire = self._wires.get(number)
        if wire is not None:
            wire.write(line)

    def stop(self, number: int) -> None:
        """End an adapter."""
        process = self._processes.get(number)
        if process is not None:
            self._spawn(self._stop(process))

    async def close(self) -> None:
        """End all, and wait until nothing of them is left."""
        await asyncio.gather(*(self._stop(process) for process in list(self._processes.values())))
        for task in list(self._tasks):
            task.cancel()
        self._making.shutdown(wait=False, cancel_futures=True)

    async def _start(self, number: int, agent: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            process = await loop.run_in_executor(self._making, self._make, agent)
            channel = process.start()
        except (TerokError, OSError) as error:
            self._wires.pop(number)
            self._on_gone(number, str(error))
            return
        self._processes[number] = process
        await loop.create_connection(lambda: self._wires[number], sock=channel)

    async def _stop(self, process: AdapterProcess) -> None:
        try:
            await asyncio.to_thread(process.stop)
        except TerokError:
            return  # its container is gone, or its end could not be made sure; the next start looks again

    def _ended(self, number: int) -> None:
        self._wires.pop(number, None)
        process = self._processes.get(number)
        if process is None:
            return

        async def tell() -> None:
            try:
                code = await asyncio.wait_for(asyncio.wrap_future(process.ended), 10)
                end = f"ended with status {code}"
            except TimeoutError:
                end = "hung up"
            self._processes.pop(number, None)
            words = safe_text(process.log_tail()[-_DETAILS:].strip())
            self._on_gone(number, f"{process.spec.label} {end}{': ' if words else ''}{words}")

        self._spawn(tell())

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
