"""The egress proxy's server: one request per connection, a decision before anything is dialed."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from terok_util.streams import send_at_once

from terok_sandbox.errors import AuditError
from terok_sandbox.http1.body import LAST_CHUNK, chunk, request_body
from terok_sandbox.http1.head import HttpSyntaxError
from terok_sandbox.shield.egress.client_hello import Hello, HelloError, read_hello
from terok_sandbox.shield.egress.judge import EgressDecision, HostUsage, Judge, Refused, Unreachable
from terok_sandbox.shield.egress.request import BadProxyRequest, Head, parse_head, split_head
from terok_sandbox.shield.resolver import Event
from terok_sandbox.shield.sightings import Sightings

_log = logging.getLogger(__name__)

MAX_UNDECIDED: Final = 256
"""Connections that have no answer yet; more of them wait in the kernel's queue, in their order."""
GIVES_WAY: Final = 1.0  # seconds after which a connection without an answer is closed if another one needs its place
MAX_TUNNELS: Final = 256
HEAD_SECONDS: Final = 15.0
CONNECT_SECONDS: Final = 4.0
IDLE_SECONDS: Final = 1200.0
ACCEPT_PAUSE: Final = 0.2
LINGER_SECONDS: Final = 1.0
MAX_LINGERING: Final = 64
_CHUNK: Final = 256 * 1024


@dataclass(eq=False, slots=True)
class _Tunnel:
    host: str
    port: int
    task: asyncio.Task[None]
    address: str = ""


class EgressProxy:
    """Serves one listener. Every refusal is a row in the audit log, and its connection is closed."""

    def __init__(self, judge: Judge, sightings: Sightings, usage: HostUsage | None = None) -> None:
        self._judge = judge
        self._sightings = sightings
        self._usage = usage or HostUsage()
        self._tunnels: set[_Tunnel] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._undecided: dict[asyncio.Task[None], float] = {}
        self._room = asyncio.Event()
        self._lingering = 0

    async def serve(self, listener: socket.socket) -> None:
        """Serve until cancelled; raises `AuditError` when decisions cannot be recorded any more."""
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        accepting = asyncio.create_task(self._accept(listener, failed))
        try:
            await asyncio.wait({accepting, failed}, return_when=asyncio.FIRST_COMPLETED)
            failed.result() if failed.done() else accepting.result()
        finally:
            for task in (accepting, *self._connections):
                task.cancel()

    async def _accept(self, listener: socket.socket, failed: asyncio.Future[None]) -> None:
        """Accept connections one by one: asyncio's server accepts a whole queue at once and would have to drop some."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        while True:
            await self._make_room()
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError as error:  # out of descriptors, or the client has gone already
                _log.warning("cannot accept a connection: %s", error)
                await asyncio.sleep(ACCEPT_PAUSE)
                continue
            task = asyncio.create_task(self._connection(client, failed))
            self._connections.add(task)
            self._undecided[task] = loop.time()
            task.add_done_callback(self._ended)

    async def _make_room(self) -> None:
        """Wait until one more may be undecided; the oldest of too many has had its time."""
        loop = asyncio.get_running_loop()
        while len(self._undecided) >= MAX_UNDECIDED:
            task, since = next(iter(self._undecided.items()))
            left = since + GIVES_WAY - loop.time()
            if left <= 0:
                self._decided(task)
                task.cancel()
                continue
            self._room.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._room.wait()

    def _decided(self, task: asyncio.Task[None]) -> None:
        self._undecided.pop(task, None)
        self._room.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._connections.discard(task)
        self._decided(task)

    def reconsider_tunnels(self) -> None:
        """End every tunnel that would not be allowed now: the policy has changed."""
        for tunnel in list(self._tunnels):
            if not self._judge.allows_tunnel(tunnel.host, tunnel.port, tunnel.address):
                tunnel.task.cancel()

    async def _connection(self, client: socket.socket, failed: asyncio.Future[None]) -> None:
        with ExitStack() as undecided:
            task = asyncio.current_task()
            assert task is not None
            undecided.callback(self._decided, task)
            reader, writer = await asyncio.open_connection(sock=client, limit=_CHUNK)
            send_at_once(writer)
            try:
                with suppress(TimeoutError, OSError, EOFError, asyncio.CancelledError):
                    await self._request(reader, writer, undecided)
            except AuditError as error:
                if not failed.done():
                    failed.set_exception(error)
        await self._close(reader, writer)

    async def _close(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Close after the client had a moment to end: closing with bytes unread would take the answer from it."""
        if self._lingering < MAX_LINGERING:
            self._lingering += 1
            with suppress(TimeoutError, OSError, RuntimeError, asyncio.CancelledError):
                writer.write_eof()
                async with asyncio.timeout(LINGER_SECONDS):
                    while await reader.read(_CHUNK):
                        pass
            self._lingering -= 1
        # A peer that does not read would keep the closed transport, and its buffer, for ever.
        transport = writer.transport
        writer.close()
        asyncio.get_running_loop().call_later(1.0, transport.abort)

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, undecided: ExitStack) -> None:
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head, rest = await _read_head(reader)
        except BadProxyRequest as error:
            return await _answer(writer, error.status, str(error))
        host = head.host if len(head.host) <= 253 else head.host[:253]
        if reason := self._usage.refuse_connection(host, asyncio.get_running_loop().time()):
            self._record_refusal(head, reason, "egress")
            return await _answer(writer, 429, reason)
        task = asyncio.current_task()
        assert task is not None
        tunnel = _Tunnel(head.host, head.port, task)
        try:
            if len(self._tunnels) >= MAX_TUNNELS:
                return await _answer(writer, 503, f"{MAX_TUNNELS} tunnels are open already")
            decision = await self._judge.admit(head.host, head.port, writer.get_extra_info("peername")[1])
            self._tunnels.add(tunnel)
            up_reader, up_writer = await _dial(decision, head.port)
            tunnel.address = str(up_writer.get_extra_info("peername")[0])
        except Refused as error:
            refusal = error.decision
            self._record_refusal(head, refusal.reason, refusal.tier, refusal.rule, error.dest)
            return await _answer(writer, 403, refusal.reason)
        except Unreachable as error:
            return await _answer(writer, 502, str(error))
        else:
            undecided.close()
            try:
                if not self._judge.allows_tunnel(head.host, head.port, tunnel.address):
                    return None  # denied while it was being dialed
                if head.connect:
                    await self._tunnel(head, decision, rest, (reader, writer), (up_reader, up_writer))
                else:
                    await self._exchange(head, rest, (reader, writer), (up_reader, up_writer))
            finally:
                up_writer.transport.abort()
        finally:
            self._tunnels.discard(tunnel)

    async def _tunnel(self, head: Head, decision: EgressDecision, data: bytes, client: _Pair, upstream: _Pair) -> None:
        client[1].write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        if not decision.opaque:
            async with asyncio.timeout(HEAD_SECONDS):
                data, problem = await _read_client_hello(client[0], data, head.host, named=decision.named)
            if problem:
                self._record_refusal(head, problem, "egress")
                return
        dest, reason = ", ".join(map(str, decision.addresses)), "tunnel"
        if decision.opaque:
            reason = "tunnel of unknown content"
        self._sightings.record_event(Event("allowed", head.host, reason, "egress", "", dest, head.port, "tcp"))
        upstream[1].write(data)
        if self._usage.count_bytes(head.host, len(data), up=True):
            await self._both_ways(head.host, client, upstream)

    async def _exchange(self, head: Head, data: bytes, client: _Pair, upstream: _Pair) -> None:
        """Send one request on and its answer back; bytes behind the announced body are never looked at.

        Chunks are framed anew, so that the upstream cannot see another end of the body than was seen here.
        """
        self._sightings.record_event(Event("allowed", head.host, "plain HTTP", "egress", port=head.port, proto="tcp"))
        if not self._usage.count_bytes(head.host, len(head.forward), up=True):
            return await _answer(client[1], 429, f"the byte budget of {head.host} is used up")
        upstream[1].write(head.forward)
        body = asyncio.create_task(self._send_body(head, data, client[0], upstream[1]))
        answer = asyncio.create_task(self._pump(head.host, upstream[0], client[1], up=False))
        try:  # the answer may come before the body: 100, or a refusal
            await asyncio.wait({body, answer}, return_when=asyncio.FIRST_COMPLETED)
            if body.done():
                body.result()
                await answer
        finally:
            for task in (body, answer):
                task.cancel()
            await asyncio.gather(body, answer, return_exceptions=True)

    async def _send_body(
        self, head: Head, data: bytes, client: asyncio.StreamReader, upstream: asyncio.StreamWriter
    ) -> None:
        body = request_body(head.body, chunked=head.body is None)
        while body is not None:
            try:
                content, _ = body.feed(data)
            except HttpSyntaxError as error:
                raise ConnectionAbortedError(str(error)) from error
            if content:
                if not self._usage.count_bytes(head.host, len(content), up=True):
                    raise ConnectionAbortedError("the byte budget is used up")
                upstream.write(chunk(content) if head.body is None else content)
                await upstream.drain()
            if body.done:
                break
            data = await _read(client)
            if not data:
                raise ConnectionAbortedError("the body broke off")
        if head.body is None:
            upstream.write(LAST_CHUNK)

    async def _both_ways(self, host: str, client: _Pair, upstream: _Pair) -> None:
        tasks = {
            asyncio.create_task(self._pump(host, client[0], upstream[1], up=True)),
            asyncio.create_task(self._pump(host, upstream[0], client[1], up=False)),
        }
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _pump(self, host: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, up: bool) -> None:
        while piece := await _read(source):
            if not self._usage.count_bytes(host, len(piece), up=up):
                raise ConnectionAbortedError("the byte budget is used up")
            sink.write(piece)
            await sink.drain()
        with suppress(OSError):
            sink.write_eof()

    def _record_refusal(self, head: Head, reason: str, tier: str, rule: str = "", dest: str = "") -> None:
        name = head.host[:253]
        self._sightings.record_event(Event("refused", name, reason, tier, rule, dest, head.port, "tcp"))


_Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _read(source: asyncio.StreamReader) -> bytes:
    """Read what comes next. Before Python 3.12 `wait_for` would lose a cancellation that comes with the data."""
    async with asyncio.timeout(IDLE_SECONDS):
        return await source.read(_CHUNK)


async def _read_head(reader: asyncio.StreamReader) -> tuple[Head, bytes]:
    data = b""
    while (parts := split_head(data)) is None:
        piece = await reader.read(_CHUNK)
        if not piece:
            raise EOFError
        data += piece
    return parse_head(parts[0]), parts[1]


async def _read_client_hello(reader: asyncio.StreamReader, data: bytes, host: str, *, named: bool) -> tuple[bytes, str]:
    try:
        while (hello := read_hello(data)) is None:
            piece = await reader.read(_CHUNK)
            if not piece:
                return data, "the tunnel ended before TLS began"
            data += piece
    except HelloError as error:
        return data, f"not a TLS client: {error}"
    return data, _name_problem(hello, host, named=named)


def _name_problem(hello: Hello, host: str, *, named: bool) -> str:
    if hello.encrypted:
        return "an encrypted client hello may hide another server name"
    if hello.name is None:
        return "TLS without a server name" if named else ""
    if not named or hello.name.lower() != host:
        return "the TLS server name is not the host that was asked for"
    return ""


async def _dial(decision: EgressDecision, port: int) -> _Pair:
    problem = "no address"
    for address in decision.addresses:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                pair = await asyncio.open_connection(str(address), port, limit=_CHUNK)
            send_at_once(pair[1])
            return pair
        except (OSError, TimeoutError) as error:
            problem = f"{address}: {getattr(error, 'strerror', None) or 'no answer in time'}"
    raise Unreachable(problem)


async def _answer(writer: asyncio.StreamWriter, status: int, reason: str) -> None:
    body = f"terok: {reason}\n".encode("ascii", "replace")
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
