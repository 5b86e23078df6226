"""The daemon of one container: connections and adapters around the conductor, on one event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from terok_acp.conductor.conductor import Conductor
from terok_acp.conductor.host_questions import HostQuestion
from terok_acp.conductor.ports import Roster
from terok_acp.conductor.state import Settings
from terok_acp.daemon.backends import RunningAdapters
from terok_acp.daemon.told import Told, Watch
from terok_acp.daemon.wires import EditorWire
from terok_acp.endpoint import peer_uid
from terok_acp.errors import AcpError
from terok_acp.protocol.frames import Frame
from terok_acp.protocol.framing import FROM_EDITOR, Violation
from terok_acp.sessions.table import SessionTable

if TYPE_CHECKING:
    from terok_acp.adapters.process import AdapterProcess

_log = logging.getLogger(__name__)
_MOST_EDITORS: Final = 64
_UNUSED_SECONDS: Final = 600.0
"""After so long without an editor or an adapter a daemon ends; the next editor starts another."""
_LAST_WORDS: Final = 0.5
"""Seconds in which editors may take what they were still told when the container is gone."""


class Daemon:
    """Serves editors until the container ends, or it is told to stop."""

    def __init__(
        self,
        settings: Settings,
        *,
        roster: Roster,
        make: Callable[[str], AdapterProcess],
        table: SessionTable,
        watch: Callable[[Told], Watch] | None = None,
        signals: bool = True,
    ) -> None:
        self._watch = watch(self) if watch is not None else None
        self._signals = signals
        self._transcripts = table.transcripts
        self._backends = RunningAdapters(make, self._adapter_said, self._adapter_gone)
        self._conductor = Conductor(
            settings,
            backends=self._backends,
            editors=self,
            roster=roster,
            table=table,
            transcripts=table.transcripts,
            decide=self._decide,
        )
        self._wires: dict[int, EditorWire] = {}
        self._waiting: set[int] = set()
        self._count = 0
        self._flushing = False
        self._complaint = ""
        self._unused_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()
        self._alone = asyncio.Event()
        self._alone.set()
        self._opening: set[asyncio.Task[object]] = set()

    async def run(self, listener: socket.socket, container_pid: int) -> None:
        """Serve at a socket while a process lives, the container's first."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT) if self._signals else ():
            loop.add_signal_handler(number, self._over.set)
        with self._watched(container_pid):
            loop.add_reader(listener, self._accept, listener)
            with self._event():
                pass
            try:
                await self._over.wait()
            finally:
                loop.remove_reader(listener)
                await self._end()

    def ready(self, number: int) -> None:
        """Note that something waits for an editor; it is written when the events of this turn are done."""
        self._waiting.add(number)

    def host_asked(self, question: HostQuestion) -> None:
        """Take a question of the host."""
        with self._event():
            self._conductor.host_asked(question)

    def host_question_over(self, number: str) -> None:
        """Take note that a question of the host needs no answer any more."""
        with self._event():
            self._conductor.host_question_over(number)

    def host_notice(self, text: str) -> None:
        """Tell every session that has a turn a line."""
        with self._event():
            self._conductor.host_notice(text)

    def spent(self, dollars: float) -> None:
        """Take note of what the container has cost."""
        self._conductor.spent(dollars)

    def drop(self, number: int) -> None:
        """Close an editor's connection at once."""
        wire = self._wires.get(number)
        if wire is not None:
            wire.close(now=True)

    @contextmanager
    def _event(self) -> Iterator[None]:
        """Let the conductor take an event: the time is told before, and what follows is written behind."""
        try:
            self._conductor.tick(time.monotonic(), time.time())
            yield
        except AcpError as error:
            self._complain(error)
        finally:
            if not self._flushing:
                self._flushing = True
                asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Write transcripts, and then to editors: what an editor has seen is never lost."""
        self._flushing = False
        try:
            self._transcripts.flush()
        except AcpError as error:
            self._complain(error)
        waiting, self._waiting = self._waiting, set()
        for number in waiting:
            wire = self._wires.get(number)
            if wire is not None:
                wire.flush()
        if not self._conductor.unused:
            self._unused_since = None
        elif self._unused_since is None:
            self._unused_since = time.monotonic()
        elif time.monotonic() - self._unused_since > _UNUSED_SECONDS:
            self._over.set()
        if self._timer is not None:
            self._timer.cancel()
        due = self._conductor.next_time
        if due is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - time.monotonic()), self._due)

    def _complain(self, error: AcpError) -> None:
        """Say once what cannot be done, as when the disk is full."""
        if error.message != self._complaint:
            self._complaint = error.message
            _log.error("%s", error.message)

    def _due(self) -> None:
        with self._event():
            pass

    def _accept(self, listener: socket.socket) -> None:
        try:
            channel, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return
        if peer_uid(channel) != os.geteuid() or len(self._wires) >= _MOST_EDITORS:
            channel.close()
            return
        self._count += 1
        number = self._count
        wire = EditorWire(
            FROM_EDITOR,
            on_frames=lambda frames, size: self._editor_said(number, frames, size),
            take=lambda most: self._conductor.take(number, most),
            on_end=lambda: self._editor_gone(number),
        )
        self._wires[number] = wire
        self._alone.clear()
        with self._event():
            self._conductor.editor_joined(number)
        if self._watch is not None:
            self._watch.start()
        channel.setblocking(False)
        loop = asyncio.get_running_loop()
        task = loop.create_task(loop.connect_accepted_socket(lambda: wire, channel))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def _decide(self, number: str, choice: str) -> None:
        if self._watch is not None:
            self._watch.decide(number, choice)

    def _editor_said(self, number: int, frames: list[Frame | Violation], size: int) -> None:
        with self._event():
            for frame in frames:
                self._conductor.editor_frame(number, frame, size)

    def _editor_gone(self, number: int) -> None:
        self._wires.pop(number, None)
        if not self._wires:
            self._alone.set()
            if self._watch is not None:
                self._watch.stop()
        with self._event():
            self._conductor.editor_gone(number)

    def _adapter_said(self, number: int, frames: list[Frame | Violation], size: int) -> None:
        with self._event():
            for frame in frames:
                self._conductor.backend_frame(number, frame, size)

    def _adapter_gone(self, number: int, details: str) -> None:
        with self._event():
            self._conductor.backend_gone(number, details)

    @contextmanager
    def _watched(self, pid: int) -> Iterator[None]:
        """End when a process does."""
        loop = asyncio.get_running_loop()
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            self._over.set()
            yield
            return
        loop.add_reader(descriptor, self._over.set)
        try:
            yield
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    async def _end(self) -> None:
        """Tell everybody that it is over, and leave nothing running inside."""
        await asyncio.wait_for(self._backends.close(), 15)
        self._flush()
        for wire in list(self._wires.values()):
            wire.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._alone.wait(), _LAST_WORDS)
        for wire in list(self._wires.values()):
            wire.close(now=True)
        if self._timer is not None:
            self._timer.cancel()


def serve(
    settings: Settings,
    listener: socket.socket,
    *,
    roster: Roster,
    make: Callable[[str], AdapterProcess],
    state: Path,
    container_pid: int,
    watch: Callable[[Told], Watch] | None = None,
) -> None:
    """Serve a container's agents at a listening socket until the container ends; blocks."""
    table = SessionTable(state)
    try:

        async def run() -> None:
            await Daemon(settings, roster=roster, make=make, table=table, watch=watch).run(listener, container_pid)

        asyncio.run(run())
    finally:
        table.transcripts.flush()
        table.close()
