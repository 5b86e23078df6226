"""The resolver's server: the container's port 53, our cache, the upstreams, and nft before every answer."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from terok_util.door import Door, streams

from terok_sandbox.errors import AuditError, NetnsError, ShieldError
from terok_sandbox.netns.nft import NftCommandError
from terok_sandbox.shield import dns_wire
from terok_sandbox.shield.asker import HOLD_SECONDS, Request
from terok_sandbox.shield.dns_intake import Allowance, Intake
from terok_sandbox.shield.resolver import Forward, Opened, Reply, Resolver
from terok_sandbox.shield.ruleset import learn_command
from terok_sandbox.shield.upstream import Upstream, UpstreamError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from terok_util.door import Seat

    from terok_sandbox.shield.asker import Asker, RuleChannel
    from terok_sandbox.shield.ruleset import Learned
    from terok_sandbox.shield.sightings import Sightings

log = logging.getLogger(__name__)

MAX_RUNNING: Final = 128
MAX_CONNECTIONS: Final = 32
MAX_HELD: Final = 16
"""Names that wait for a verdict at the same time; further ones are refused at once."""
IDLE: Final = 10.0
_CACHE: Final = 1024
_READY_SECONDS: Final = 1.0
"""For so long the same bytes are answered with the same bytes; what they say is of the cache, less than this ago."""
_PER_STREAMED: Final = 200e-6
"""Processor seconds of one question over a connection, on a slow machine."""
_FAILED: Final = Opened(dns_wire.SERVFAIL, (), (), ttl=5)
"""No upstream answered or the rules could not be opened; asked again after five seconds."""


@dataclass(frozen=True, slots=True)
class _Cached:
    opened: Opened
    until: float


@dataclass(frozen=True, slots=True)
class Held:
    """A question whose refusal waits for a verdict."""

    wire: bytes
    name: str
    request: Request


class DnsServer:
    """Answers the container's queries. An address is open in the rules before the answer that names it leaves."""

    def __init__(
        self,
        resolver: Resolver,
        *,
        channel: RuleChannel,
        upstream: Upstream,
        sightings: Sightings,
        asker: Asker | None = None,
        opened: Callable[[str, Iterable[Learned]], None] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Serve with `resolver`; `asker` may hold refusals, `opened` hears of addresses just before they open."""
        self._resolver = resolver
        self._channel = channel
        self._upstream = upstream
        self._sightings = sightings
        self._clock = clock or asyncio.get_running_loop().time
        self._asker = asker
        self._opened = opened
        self._held: dict[str, asyncio.Task[None]] = {}
        self._cache: OrderedDict[tuple[str, int], _Cached] = OrderedDict()
        self._ready: dict[bytes, tuple[bytes, float]] = {}
        self._asking: dict[tuple[str, int], asyncio.Task[Opened]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, wire: bytes, *, tcp: bool = False) -> bytes | None:
        """Return the reply to one query, `None` for silence. Raises `NftChannelError` when the rules are gone."""
        outcome = self.answer_now(wire, tcp=tcp)
        return await self._answer_later(outcome, tcp=tcp) if isinstance(outcome, Forward | Held) else outcome

    def forget(self) -> None:
        """Drop cached answers: the policy has changed."""
        self._cache.clear()
        self._ready.clear()

    async def _answer_later(self, outcome: Forward | Held, *, tcp: bool) -> bytes | None:
        if isinstance(outcome, Held):
            await self._hold(outcome.name, outcome.request)
            again = self.answer_now(outcome.wire, tcp=tcp, hold=False)
            if not isinstance(again, Forward):
                return again if isinstance(again, bytes) else None
            outcome = again
        return await self._forwarded(outcome, tcp=tcp)

    async def _hold(self, name: str, request: Request) -> None:
        """Wait until there is a verdict on `name`, or the time is over; all who ask for it wait together."""
        waiting = self._held.get(name)
        if waiting is None:
            waiting = self._held[name] = asyncio.create_task(self._await_verdict(request))
            waiting.add_done_callback(lambda _: self._held.pop(name, None))
        await asyncio.shield(waiting)

    async def _await_verdict(self, request: Request) -> None:
        assert self._asker is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(HOLD_SECONDS):
                await self._asker.hold(request)

    async def _forwarded(self, forward: Forward, *, tcp: bool) -> bytes:
        key = (forward.name, forward.rdtype)
        task = self._asking.get(key)
        if task is None:
            if len(self._asking) >= MAX_RUNNING:
                return dns_wire.write_reply(forward.question, dns_wire.SERVFAIL, tcp=tcp)
            task = self._asking[key] = asyncio.create_task(self._open(forward))
            task.add_done_callback(lambda done: self._asked(key, done))
        opened = await asyncio.shield(task)
        return self._reply(forward, opened, opened.ttl, tcp=tcp)

    def _asked(self, key: tuple[str, int], task: asyncio.Task[Opened]) -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            task.exception()  # read, also when nobody waits for the answer any more

    def answer_now(
        self, wire: bytes, *, tcp: bool = False, hold: bool = True, port: int = 0
    ) -> bytes | Forward | Held | None:
        """Return the reply if it needs neither an upstream nor a verdict, else what to ask.

        `port` is where a datagram came from, 0 if that is not known.
        """
        tick = self._clock()
        outcome = self._resolver.judge(wire, tick=tick, tcp=tcp)
        if isinstance(outcome, Reply):
            name, event = outcome.askable, outcome.event
            if hold and self._asker and name and event and (name in self._held or len(self._held) < MAX_HELD):
                client = ("udp", port) if port else None
                return Held(wire, name, Request(name, "", None, "", event.reason, event.tier, event.rule, client))
            if outcome.event is not None:
                self._sightings.record(outcome.event)
            return outcome.wire
        cached = self._cache.get((outcome.name, outcome.rdtype))
        if cached is None or cached.until <= tick:
            return outcome
        reply = self._reply(outcome, cached.opened, max(1, int(cached.until - tick)), tcp=tcp)
        if not tcp:
            if len(self._ready) >= _CACHE:
                self._ready.clear()
            self._ready[wire[2:]] = (reply[2:], min(cached.until, tick + _READY_SECONDS))
        return reply

    async def _open(self, forward: Forward) -> Opened:
        """Ask, judge, open, remember; whoever asks the same meanwhile waits for the same task."""
        opened = _FAILED
        try:
            answer = await self._upstream.ask(forward.name, forward.rdtype)
            opened = self._resolver.open(forward, answer)
            for address in answer.addresses:
                self._sightings.name_address(address, forward.name)
            for event in opened.events:
                self._sightings.record(event)
            if opened.learned:
                if self._opened is not None:
                    self._opened(forward.name, opened.learned)
                await self._channel.run(learn_command(opened.learned))
        except UpstreamError as error:
            log.info("%s: %s", forward.name, error)
        except (NftCommandError, ShieldError) as error:
            opened = _FAILED
            log.warning("%s: its addresses stay closed: %s", forward.name, error)
        self._remember((forward.name, forward.rdtype), opened)
        return opened

    def _remember(self, key: tuple[str, int], opened: Opened) -> None:
        # An address stays open longer than this, so a cached answer never names a closed one.
        seconds = min([float(opened.ttl), *(float(one.seconds) for one in opened.learned)])
        self._cache[key] = _Cached(opened, self._clock() + seconds)
        self._cache.move_to_end(key)
        if len(self._cache) > _CACHE:
            self._cache.popitem(last=False)

    @staticmethod
    def _reply(forward: Forward, opened: Opened, ttl: int, *, tcp: bool) -> bytes:
        stripped = next((event for event in opened.events if event.action == "refused"), None)
        explain = (dns_wire.PROHIBITED, stripped.reason) if stripped and not opened.addresses else None
        return dns_wire.write_reply(
            forward.question,
            opened.rcode,
            chain=opened.chain if opened.addresses else (),
            addresses=opened.addresses,
            ttl=ttl,
            explain=explain,
            tcp=tcp,
        )

    async def serve(self, udp: socket.socket, tcp: socket.socket) -> None:
        """Serve both sockets until cancelled, then close them; raises `NetnsError` when the rules are gone."""
        loop = asyncio.get_running_loop()
        failed: asyncio.Future[None] = loop.create_future()
        allowance = Allowance(loop.time)
        intake = Intake(udp, partial(self._datagram, failed), allowance)
        door = Door("names over TCP", MAX_CONNECTIONS)
        door.open(tcp, lambda connection, seat: self._stream(connection, seat, failed, allowance))
        try:
            await failed
        finally:
            intake.close()
            for task in [*self._tasks, *self._asking.values(), *self._held.values()]:
                task.cancel()
            await door.close_connections()
            tcp.close()

    def _datagram(
        self, failed: asyncio.Future[None], wire: bytes, port: int, send: Callable[[bytes], None]
    ) -> bytes | None:
        """Answer a datagram at once where possible, else by `send`; beyond the limit of running queries never."""
        kept = self._ready.get(wire[2:])
        if kept is not None and kept[1] > self._clock():
            return wire[:2] + kept[0]
        try:
            outcome = self.answer_now(wire, port=port)
        except AuditError as error:
            _fail(failed, error)
            return None
        if not isinstance(outcome, Forward | Held) or len(self._tasks) >= MAX_RUNNING:
            return outcome if isinstance(outcome, bytes) else None
        task = asyncio.create_task(self._finish(outcome, send, failed))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return None

    async def _finish(
        self, outcome: Forward | Held, send: Callable[[bytes], None], failed: asyncio.Future[None]
    ) -> None:
        try:
            if reply := await self._answer_later(outcome, tcp=False):
                send(reply)
        except (NetnsError, AuditError) as error:
            _fail(failed, error)

    async def _stream(
        self, connection: socket.socket, seat: Seat, failed: asyncio.Future[None], allowance: Allowance
    ) -> None:
        async with streams(connection) as (reader, writer):
            while True:
                seat.release()
                if pause := allowance.spend(_PER_STREAMED):
                    await asyncio.sleep(pause)
                async with asyncio.timeout(IDLE):
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    wire = await reader.readexactly(size)
                    seat.occupy()
                    try:
                        reply = await self.answer(wire, tcp=True)
                    except (NetnsError, AuditError) as error:
                        return _fail(failed, error)
                    if reply is None:
                        return None
                    writer.write(len(reply).to_bytes(2, "big") + reply)
                    await writer.drain()


def _fail(failed: asyncio.Future[None], error: Exception) -> None:
    if not failed.done():
        failed.set_exception(error)
