"""The terminal front end: questions as plain lines, answers typed with their number."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

from terok_util.text import safe_text

from terok_sandbox.clearance.client import MultiSocketSubscriber
from terok_sandbox.clearance.errors import BadVerdict, ClearanceError
from terok_sandbox.clearance.events import ClearanceEvent
from terok_sandbox.clearance.model import MAX_MINUTES, Duration, Verdict
from terok_sandbox.clearance.present import details, headline, outcome

HELP: Final = """\
a N [DURATION] [REASON]   allow request N
d N [DURATION] [REASON]   deny it
l                         list the waiting requests
q                         leave; waiting requests stay denied
DURATION: once (default), a number of minutes such as 10m, task, project"""
_MAX_LINE: Final = 4096


@dataclass(frozen=True, slots=True)
class Command:
    """One typed line: `number` and `verdict` belong to `decide`."""

    kind: Literal["decide", "list", "quit", "help", "nothing"]
    number: int = 0
    verdict: Verdict | None = None


def parse_command(line: str) -> Command:
    """Read one line; raises `BadVerdict` for an answer that cannot be given."""
    words = line.strip().split(None, 2)
    if not words:
        return Command("nothing")
    verb = words[0].lower()
    if verb in ("q", "quit", "exit"):
        return Command("quit")
    if verb in ("l", "list"):
        return Command("list")
    if verb not in ("a", "allow", "d", "deny"):
        return Command("help")
    if len(words) < 2 or not words[1].isascii() or not words[1].isdigit():
        raise BadVerdict("which request?", hint="type a or d and the number, such as: a 1")
    duration, minutes, reason = parse_duration(words[2] if len(words) > 2 else "")
    action: Literal["allow", "deny"] = "allow" if verb[0] == "a" else "deny"
    raw = {"action": action, "scope": duration, "minutes": minutes, "reason": reason}
    return Command("decide", int(words[1][:9]), Verdict.from_json(raw))


def parse_duration(text: str) -> tuple[Duration, int, str]:
    """Return duration, minutes and reason from the words behind the number; raises `BadVerdict`."""
    first, _, rest = text.partition(" ")
    if first in ("once", "task", "project"):
        duration: Duration = "once" if first == "once" else "task" if first == "task" else "project"
        return duration, 0, rest.strip()
    digits = first.removesuffix("m")
    if digits.isascii() and digits.isdigit():
        if not 1 <= int(digits[:6]) <= MAX_MINUTES:
            raise BadVerdict(f"invalid minutes: use 1 to {MAX_MINUTES}")
        return "minutes", int(digits[:6]), rest.strip()
    return "once", 0, text.strip()


class Terminal:
    """Numbers the questions as they come and gives the typed answers to `subscriber`."""

    def __init__(self, subscriber: MultiSocketSubscriber, write: Callable[[str], None]) -> None:
        self._subscriber = subscriber
        self._write = write
        self._numbers: dict[tuple[str, str], int] = {}
        self._last = 0

    def show(self, event: ClearanceEvent) -> None:
        """Print an event; a request that is seen again prints nothing new."""
        if event.kind == "request" and event.request is not None:
            key = (event.container, event.request.id)
            if key not in self._numbers:
                self._last += 1
                self._numbers[key] = self._last
                self._print(event)
        elif event.kind == "resolved":
            number = self._numbers.pop((event.container, event.request_id), None)
            if number is not None:
                self._write(f"[{number}] {outcome(event)}")
        elif event.kind == "replayed":
            self._write(f"{event.container}: its questions come here")
        elif event.kind == "gone":
            for key in [key for key in self._numbers if key[0] == event.container]:
                del self._numbers[key]
        elif event.kind == "lost":
            self._write(f"{event.container}: {event.count} lines were lost, type l for what waits")

    async def follow(self) -> None:
        """Print events until cancelled."""
        while True:
            self.show(await self._subscriber.next_event())

    async def obey(self, line: str) -> bool:
        """Carry out one typed line; return `False` to leave."""
        try:
            command = parse_command(line)
            if command.kind == "decide" and command.verdict is not None:
                await self._decide(command.number, command.verdict)
            elif command.kind == "list":
                self.list()
            elif command.kind == "help":
                self._write(HELP)
            return command.kind != "quit"
        except ClearanceError as error:
            self._write(safe_text(error.message, limit=1000) + (f" ({error.hint})" if error.hint else ""))
            return True

    def list(self) -> None:
        """Print the waiting questions."""
        numbered = [(self._numbers.get((one.container, one.id), 0), one) for one in self._subscriber.waiting]
        for number, request in numbered:
            self._write(f"[{number}] {headline(request)}: {safe_text(str(request.target))}")
        if not numbered:
            self._write("nothing waits")

    async def _decide(self, number: int, verdict: Verdict) -> None:
        waiting = {self._numbers.get((one.container, one.id), 0): one for one in self._subscriber.waiting}
        request = waiting.get(number)
        if request is None or number == 0:
            self._write(f"no request {number} waits")
            return
        await self._subscriber.decide(request, verdict)

    def _print(self, event: ClearanceEvent) -> None:
        assert event.request is not None
        number = self._numbers[event.container, event.request.id]
        self._write(f"[{number}] {headline(event.request)}")
        for line in details(event.request):
            self._write(f"    {line}")
        self._write(f"    answer: d {number} | a {number} [once|10m|task|project] [reason]")


async def run_terminal(subscriber: MultiSocketSubscriber, write: Callable[[str], None], *, descriptor: int = 0) -> None:
    """Ask until `q` or the end of standard input."""
    terminal = Terminal(subscriber, write)
    lines: asyncio.Queue[str | None] = asyncio.Queue(64)
    loop = asyncio.get_running_loop()
    reader = _LineReader(descriptor, lines)
    loop.add_reader(descriptor, reader.read)
    events = asyncio.create_task(terminal.follow())
    try:
        while (line := await lines.get()) is not None:
            if not await terminal.obey(line):
                break
    finally:
        loop.remove_reader(descriptor)
        events.cancel()
        with suppress(asyncio.CancelledError):
            await events


class _LineReader:
    """Lines from a descriptor that is left blocking: it is read only when there is something."""

    def __init__(self, descriptor: int, lines: asyncio.Queue[str | None]) -> None:
        self._descriptor = descriptor
        self._lines = lines
        self._rest = b""

    def read(self) -> None:
        data = b""
        with suppress(OSError):
            data = os.read(self._descriptor, _MAX_LINE)
        *whole, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[:_MAX_LINE]
        for line in [*whole, *([] if data else [None])]:
            with suppress(asyncio.QueueFull):
                self._lines.put_nowait(None if line is None else line.decode("utf-8", "replace"))
        if not data:
            asyncio.get_running_loop().remove_reader(self._descriptor)


def write_line(line: str) -> None:
    """Print one line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
