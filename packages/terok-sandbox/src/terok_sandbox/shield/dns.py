"""The resolver's server: the container's port 53, our cache, the upstreams, and nft before every answer.

A query that needs neither an upstream nor a person is answered at once (`answer_at_once`), every other one by
`answer_query`; both transports, UDP and TCP, use the two.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from terok_util.door import Door, Seat, streams

from terok_sandbox.errors import AuditError, NetnsError, ShieldError
from terok_sandbox.netns.nft import NftCommandError
from terok_sandbox.shield import dns_wire
from terok_sandbox.shield.asker import HOLD_SECONDS, Asker, RefusedDestination
from terok_sandbox.shield.resolver import Forward, JudgedAnswer, Reply, Resolver
from terok_sandbox.shield.ruleset.commands import Opening
from terok_sandbox.shield.sightings import Sightings
from terok_sandbox.shield.upstream import UpstreamError, UpstreamResolver

_log = logging.getLogger(__name__)

MAX_RUNNING: Final = 128
MAX_CONNECTIONS: Final = 32
MAX_DELAYED: Final = 16  # names that wait for a verdict at the same time; further ones are refused at once
IDLE: Final = 10.0
_CACHE: Final = 1024
_REPEAT_SECONDS: Final = 1.0
"""How long the same bytes get the same reply; what it says is from the cache, and younger than this."""
_PER_STREAMED: Final = 200e-6  # processor seconds of one question over a connection, on a slow machine
QUERY_BURST: Final = 2.0
QUERY_SHARE: Final = 0.1
"""Processor seconds: so many at once, then so many a second."""
QUERY_PAUSE: Final = 0.02
_TURN: Final = 32  # datagrams that are read before others get their turn
_MAX_QUERY: Final = 4096
_FAILED: Final = JudgedAnswer(dns_wire.SERVFAIL, (), (), ttl=5)
"""No upstream answered or the rules could not be opened; asked again after five seconds."""

OpenAddresses = Callable[[str, Sequence[Opening]], Awaitable[None]]
"""Opens addresses in the rules for a name; raises `ShieldError` or `NetnsError` when they stay closed."""


@dataclass(frozen=True, slots=True)
class _Cached:
    answer: JudgedAnswer
    until: float


@dataclass(frozen=True, slots=True)
class DelayedRefusal:
    """A query whose refusal waits for a verdict."""

    wire: bytes
    refused: RefusedDestination


class DnsServer:
    """Answers the container's queries. An address is open in the rules before the answer that names it leaves."""

    def __init__(
        self,
        resolver: Resolver,
        *,
        upstream: UpstreamResolver,
        sightings: Sightings,
        open_addresses: OpenAddresses,
        asker: Asker | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Serve with `resolver`; `asker` may delay refusals."""
        self._resolver = resolver
        self._upstream = upstream
        self._sightings = sightings
        self._open_addresses = open_addresses
        self._clock = clock or asyncio.get_running_loop().time
        self._asker = asker
        self._delayed: dict[str, asyncio.Task[None]] = {}
        self._cache: OrderedDict[tuple[str, int], _Cached] = OrderedDict()
        self._repeatable: dict[bytes, tuple[bytes, float]] = {}
        self._lookups: dict[tuple[str, int], asyncio.Task[JudgedAnswer]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def forget_answers(self) -> None:
        """Drop cached answers: the policy has changed."""
        self._cache.clear()
        self._repeatable.clear()

    def answer_at_once(
        self, wire: bytes, *, tcp: bool = False, delay: bool = True, port: int = 0
    ) -> bytes | Forward | DelayedRefusal | None:
        """Return a reply that needs nobody (`None`: silence), else what it needs; `port` is a datagram's, or 0."""
        tick = self._clock()
        outcome = self._resolver.judge_query(wire, tick=tick, tcp=tcp)
        if isinstance(outcome, Reply):
            name, event = outcome.askable, outcome.event
            if event is None:
                return outcome.wire
            if delay and self._asker and name and (name in self._delayed or len(self._delayed) < MAX_DELAYED):
                client = ("udp", port) if port else None
                refused = RefusedDestination(name, "", None, "", event.reason, event.tier, event.rule, client)
                return DelayedRefusal(wire, refused)
            self._sightings.record_event(event)
            return outcome.wire
        cached = self._cache.get((outcome.name, outcome.rdtype))
        if cached is None or cached.until <= tick:
            return outcome
        reply = _write_reply(outcome, cached.answer, max(1, int(cached.until - tick)), tcp=tcp)
        if not tcp:
            # Emptying it whole costs nothing to keep in order, and the cache below fills it again.
            if len(self._repeatable) >= _CACHE:
                self._repeatable.clear()
            self._repeatable[wire[2:]] = (reply[2:], min(cached.until, tick + _REPEAT_SECONDS))
        return reply

    async def answer_query(self, query: bytes | Forward | DelayedRefusal, *, tcp: bool = False) -> bytes | None:
        """Return the reply (`None`: silence) to a query, or what `answer_at_once` made of it; raises `NetnsError`."""
        outcome = self.answer_at_once(query, tcp=tcp) if isinstance(query, bytes) else query
        if isinstance(outcome, DelayedRefusal):
            await self._await_verdict(outcome.refused)
            outcome = self.answer_at_once(outcome.wire, tcp=tcp, delay=False)
        if not isinstance(outcome, Forward):
            return outcome if isinstance(outcome, bytes) else None
        key = (outcome.name, outcome.rdtype)
        lookup = self._lookups.get(key)
        if lookup is None:  # whoever asks the same meanwhile waits for the same task
            if len(self._lookups) >= MAX_RUNNING:
                return dns_wire.write_reply(outcome.question, dns_wire.SERVFAIL, tcp=tcp)
            lookup = self._lookups[key] = asyncio.create_task(self._look_up(outcome))
            lookup.add_done_callback(partial(self._forget_lookup, key))
        # Others wait for the same lookup: the end of this query must not end it.
        answer = await asyncio.shield(lookup)
        return _write_reply(outcome, answer, answer.ttl, tcp=tcp)

    async def _await_verdict(self, refused: RefusedDestination) -> None:
        """Wait until there is a verdict on the name, or the time is over; all who ask for it wait together."""
        waiting = self._delayed.get(refused.name)
        if waiting is None:
            waiting = self._delayed[refused.name] = asyncio.create_task(self._ask_person(refused))
            waiting.add_done_callback(lambda _: self._delayed.pop(refused.name, None))
        await asyncio.shield(waiting)

    async def _ask_person(self, refused: RefusedDestination) -> None:
        assert self._asker is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(HOLD_SECONDS):
                await self._asker.delay_answer(refused)

    async def _look_up(self, forward: Forward) -> JudgedAnswer:
        """Ask an upstream, judge its answer, record it, open its addresses, and cache it: in this order."""
        answer = _FAILED
        try:
            response = await self._upstream.query(forward.name, forward.rdtype)
            judged = self._resolver.judge_answer(forward, response)
            for address in response.addresses:
                self._sightings.name_address(address, forward.name)
            for event in judged.events:
                self._sightings.record_event(event)
            if judged.openings:
                await self._open_addresses(forward.name, judged.openings)
            answer = judged
        except UpstreamError as error:
            _log.info("%s: %s", forward.name, error)
        except (NftCommandError, ShieldError) as error:
            _log.warning("%s: its addresses stay closed: %s", forward.name, error)
        # An address stays open longer than this, so a cached answer never names a closed one.
        seconds = min([float(answer.ttl), *(float(opening.seconds) for opening in answer.openings)])
        self._cache[forward.name, forward.rdtype] = _Cached(answer, self._clock() + seconds)
        self._cache.move_to_end((forward.name, forward.rdtype))
        if len(self._cache) > _CACHE:
            self._cache.popitem(last=False)
        return answer

    def _forget_lookup(self, key: tuple[str, int], task: asyncio.Task[JudgedAnswer]) -> None:
        self._lookups.pop(key, None)
        if not task.cancelled():
            task.exception()  # read, also when nobody waits for the answer any more

    async def serve(self, udp: socket.socket, tcp: socket.socket) -> None:
        """Serve both sockets until cancelled, then close them; raises `NetnsError` when the rules are gone."""
        loop = asyncio.get_running_loop()
        failed: asyncio.Future[None] = loop.create_future()
        rate = QueryRate(loop.time)
        intake = Intake(udp, partial(self._serve_datagram, failed), rate)
        door = Door("names over TCP", MAX_CONNECTIONS)
        door.open(tcp, lambda connection, seat: self._serve_stream(connection, seat, failed, rate))
        try:
            await failed
        finally:
            intake.close()
            for task in [*self._tasks, *self._lookups.values(), *self._delayed.values()]:
                task.cancel()
            await door.close_connections()
            tcp.close()

    def _serve_datagram(
        self, failed: asyncio.Future[None], wire: bytes, port: int, send: Callable[[bytes], None]
    ) -> bytes | None:
        repeatable = self._repeatable.get(wire[2:])
        if repeatable is not None and repeatable[1] > self._clock():
            return wire[:2] + repeatable[0]
        try:
            outcome = self.answer_at_once(wire, port=port)
        except AuditError as error:
            _fail(failed, error)
            return None
        if not isinstance(outcome, Forward | DelayedRefusal) or len(self._tasks) >= MAX_RUNNING:
            return outcome if isinstance(outcome, bytes) else None
        task = asyncio.create_task(self._answer_by(send, outcome, failed))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return None

    async def _answer_by(
        self, send: Callable[[bytes], None], query: Forward | DelayedRefusal, failed: asyncio.Future[None]
    ) -> None:
        try:
            if reply := await self.answer_query(query):
                send(reply)
        except (NetnsError, AuditError) as error:
            _fail(failed, error)

    async def _serve_stream(
        self, connection: socket.socket, seat: Seat, failed: asyncio.Future[None], rate: QueryRate
    ) -> None:
        async with streams(connection) as (reader, writer):
            while True:
                seat.release()
                if pause := rate.spend(_PER_STREAMED):
                    await asyncio.sleep(pause)
                async with asyncio.timeout(IDLE):
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    wire = await reader.readexactly(size)
                    seat.occupy()
                    try:
                        reply = await self.answer_query(wire, tcp=True)
                    except (NetnsError, AuditError) as error:
                        return _fail(failed, error)
                    # A malformed query gets silence, and its stream cannot be followed any further.
                    if reply is None:
                        return None
                    writer.write(len(reply).to_bytes(2, "big") + reply)
                    await writer.drain()


class QueryRate:
    """The processor time that is left for queries; `clock` is monotonic, in seconds.

    The gateway is outside the container's limits, so it keeps to a share of this host's processors by itself. While the
    share is used up nothing is read, and the kernel drops what does not fit into the socket's queue.
    """

    def __init__(self, clock: Callable[[], float], *, burst: float = QUERY_BURST, share: float = QUERY_SHARE) -> None:
        self._clock = clock
        self._burst = burst
        self._share = share
        self._left = burst
        self._at = clock()

    def spend(self, seconds: float) -> float:
        """Take off `seconds`; return for how long nothing more is to be done, 0 while some is left."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._share) - seconds
        self._at = now
        return 0.0 if self._left > 0 else max(QUERY_PAUSE, -self._left / self._share)


class Intake:
    """Gives every datagram of `udp`, its port, and how to reply later to `answer`, and sends what that returns."""

    def __init__(
        self, udp: socket.socket, answer: Callable[[bytes, int, Callable[[bytes], None]], bytes | None], rate: QueryRate
    ) -> None:
        self._udp = udp
        self._answer = answer
        self._rate = rate
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        udp.setblocking(False)
        self._resume()

    def close(self) -> None:
        """Stop reading, and close the socket."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._udp)
        self._udp.close()

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._udp, self._read)

    def _read(self) -> None:
        began = time.thread_time()
        with suppress(BlockingIOError):
            for _ in range(_TURN):
                wire, peer = self._udp.recvfrom(_MAX_QUERY)
                reply = self._answer(wire, peer[1], partial(self._send, peer))
                if reply is not None:
                    self._send(peer, reply)
        if pause := self._rate.spend(time.thread_time() - began):
            self._loop.remove_reader(self._udp)
            self._pause = self._loop.call_later(pause, self._resume)

    def _send(self, peer: tuple[str, int], reply: bytes) -> None:
        with suppress(OSError):  # the asker's queue is full, or the server has ended
            self._udp.sendto(reply, peer)


def _write_reply(forward: Forward, answer: JudgedAnswer, ttl: int, *, tcp: bool) -> bytes:
    stripped = next((event for event in answer.events if event.action == "refused"), None)
    return dns_wire.write_reply(
        forward.question,
        answer.rcode,
        chain=answer.chain if answer.addresses else (),
        addresses=answer.addresses,
        ttl=ttl,
        explain=(dns_wire.PROHIBITED, stripped.reason) if stripped and not answer.addresses else None,
        tcp=tcp,
    )


def _fail(failed: asyncio.Future[None], error: Exception) -> None:
    if not failed.done():
        failed.set_exception(error)
