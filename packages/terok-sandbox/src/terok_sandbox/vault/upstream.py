"""The side of the proxy that talks to providers: connections, a request out, the answer's head and body back."""

from __future__ import annotations

import asyncio
import math
import ssl
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from terok_sandbox.http1.body import LAST_CHUNK, Body, LengthBody, chunk, content_length, response_body
from terok_sandbox.http1.head import BrokenOff, HttpSyntaxError, ResponseHead, read_response
from terok_sandbox.http1.stream import Deadlines, Stream
from terok_sandbox.vault.host_proxy import environment_proxy, proxy_authorization
from terok_sandbox.vault.swap import UpstreamRequest

CONNECT_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 15.0
"""How long an unused connection is kept; less than what servers and middleboxes commonly allow."""
MAX_IDLE: Final = 64
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class ConnectTimeoutError(TimeoutError):
    """No connection within CONNECT_SECONDS."""


class ProxyFailedError(OSError):
    """The host's HTTP proxy does not connect us."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an origin is reached. `authority` is its Host header; `proxy` is a URL or None."""

    origin: str
    host: str
    port: int
    tls: bool
    authority: str
    proxy: str | None = None


@lru_cache(maxsize=256)
def endpoint(origin: str) -> Endpoint:
    """Return the endpoint of `scheme://host[:port]`; the environment's proxy is looked up once per origin."""
    parts = urlsplit(origin)
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    authority = parts.netloc.removesuffix(f":{_DEFAULT_PORTS[parts.scheme]}")
    return Endpoint(origin, parts.hostname or "", port, parts.scheme == "https", authority, environment_proxy(origin))


class Pool:
    """Hands out connections, idle ones first. Certificates are checked against the host's trust store."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._idle: dict[str, deque[tuple[Stream, float]]] = {}
        self._tls: ssl.SSLContext | None = None

    def idle(self, target: Endpoint) -> Stream | None:
        """Return a kept connection that is still fit, newest first."""
        kept = self._idle.get(target.origin)
        while kept:
            stream, since = kept.pop()
            if stream.alive and self._deadlines.loop.time() - since < IDLE_SECONDS:
                stream.read_by = math.inf
                return stream
            stream.abort()
        return None

    def keep(self, target: Endpoint, stream: Stream) -> None:
        """Take back a connection whose exchange has ended exactly where its messages ended."""
        if not stream.alive:
            stream.abort()
            return
        now = self._deadlines.loop.time()
        kept = self._idle.setdefault(target.origin, deque())
        while kept and (len(kept) >= MAX_IDLE or now - kept[0][1] >= IDLE_SECONDS):
            kept.popleft()[0].abort()
        stream.read_by = now + IDLE_SECONDS
        kept.append((stream, now))

    async def dial(self, target: Endpoint) -> Stream:
        """Open a connection; raises OSError, ConnectTimeoutError or ProxyFailedError."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                if target.proxy is None:
                    tls = self._context() if target.tls else None
                    return await self._connect(target.host, target.port, tls, target.host)
                return await self._through_proxy(target, target.proxy)
        except TimeoutError as error:
            raise ConnectTimeoutError from error

    def close(self) -> None:
        """Close all idle connections."""
        for kept in self._idle.values():
            for stream, _ in kept:
                stream.abort()
        self._idle.clear()

    async def _connect(self, host: str, port: int, tls: ssl.SSLContext | None, name: str) -> Stream:
        _, stream = await self._deadlines.loop.create_connection(
            lambda: Stream(self._deadlines),
            host,
            port,
            ssl=tls,
            server_hostname=name if tls else None,
            happy_eyeballs_delay=0.25,
        )
        return stream

    async def _through_proxy(self, target: Endpoint, proxy: str) -> Stream:
        parts = urlsplit(proxy)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ProxyFailedError("the environment names a proxy that is not an http or https URL")
        tls = self._context() if parts.scheme == "https" else None
        stream = await self._connect(parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme], tls, parts.hostname)
        if not target.tls:
            return stream
        try:
            host = f"[{target.host}]" if ":" in target.host else target.host
            where = f"{host}:{target.port}"
            stream.write(
                f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n{proxy_authorization(proxy)}\r\n".encode("ascii")
            )
            head = await stream.read_head(CONNECT_SECONDS, CONNECT_SECONDS)
            if head is None or read_response(head).status != 200:
                raise ProxyFailedError("the HTTP proxy refuses the connection")
            if not stream.alive:
                # A TLS server does not speak first: this would be taken for the provider's, without its certificate.
                raise ProxyFailedError("the HTTP proxy says more than its answer")
            secured = await self._deadlines.loop.start_tls(
                stream.transport, stream, self._context(), server_hostname=target.host
            )
            if secured is None:
                raise ProxyFailedError("the HTTP proxy closed the connection")
            stream.connection_made(secured)
        except HttpSyntaxError as error:
            stream.abort()
            raise ProxyFailedError("the HTTP proxy does not speak HTTP") from error
        except BaseException:
            stream.abort()
            raise
        return stream

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


SILENCE_SECONDS: Final = 1200.0
"""How long an upstream may be silent, before its answer or in the middle of it: models think for minutes."""
HEAD_SECONDS: Final = 60.0
WRITE_SECONDS: Final = 300.0
MAX_INTERIM: Final = 8
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_LENGTHY = frozenset({"POST", "PUT", "PATCH"})


class ClosedError(ConnectionError):
    """The upstream closed the connection without an answer."""


Upload = bytes | AsyncIterator[bytes] | None
"""A request's body: whole, or as it arrives."""


class UploadFailedError(ValueError):
    """The client's body did not come to its end; `__cause__` says why."""


@dataclass(slots=True)
class Answer:
    """An upstream's answer: its head, and how its body is framed. End it with `UpstreamClient.release` or `drop`."""

    head: ResponseHead
    body: Body | None
    stream: Stream
    target: Endpoint
    upload: asyncio.Task[None] | None

    @property
    def length(self) -> int | None:
        """Bytes of the whole body, also where only a head is asked for; None if they are not announced."""
        return self.body.length if isinstance(self.body, LengthBody) else content_length(self.head)

    def small(self, limit: int) -> bytes | None:
        """Return the whole body if it has come already and is not larger than `limit`."""
        if not isinstance(self.body, LengthBody) or self.body.length > limit:
            return None
        data = self.stream.take_buffered(self.body.length)
        if data is not None:
            self.body.feed(data)
        return data

    def content(self) -> AsyncIterator[bytes]:
        """Return the body's pieces; raises HttpSyntaxError, BrokenOff, TimeoutError on the way."""
        assert self.body is not None
        return self.stream.read_body(self.body, SILENCE_SECONDS)


class UpstreamClient:
    """Sends requests to upstreams over HTTP/1.1. Create it inside a running event loop and close it there."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._pool = Pool(deadlines)
        self._loop = deadlines.loop

    def close(self) -> None:
        """Close idle connections."""
        self._pool.close()

    async def send(self, request: UpstreamRequest, body: Upload, length: int | None) -> Answer:
        """Send a request and return the answer's head; raises OSError, HttpSyntaxError or UploadFailedError.

        Only an idempotent request without a streamed body is sent again, once, when a kept connection turns out dead
        before any byte of an answer. A streamed body goes on being sent while the answer is read.
        """
        target = endpoint(request.origin)
        streamed = body is not None and not isinstance(body, bytes)
        if (stream := self._pool.idle(target)) is not None:
            try:
                return await self._exchange(stream, target, request, body, length)
            except ClosedError:
                if streamed or request.method not in _IDEMPOTENT:
                    raise
        return await self._exchange(await self._pool.dial(target), target, request, body, length)

    async def upgrade(self, request: UpstreamRequest) -> Answer:
        """Send a handshake on a connection of its own; the answer is any, 101 among them. Raises like `send`."""
        target = endpoint(request.origin)
        return await self._exchange(await self._pool.dial(target), target, request, None, None)

    def release(self, answer: Answer) -> None:
        """End an answer that was read to its end: the connection is kept if it can be."""
        upload, head = answer.upload, answer.head
        sent = upload is None or (upload.done() and not upload.cancelled() and upload.exception() is None)
        read = answer.body is None or answer.body.done
        if read and sent and head.minor > 0 and b"close" not in head.options():
            self._pool.keep(answer.target, answer.stream)
        else:
            self.drop(answer)

    def drop(self, answer: Answer) -> None:
        """End an answer wherever it is."""
        if answer.upload is not None:
            answer.upload.cancel()
        answer.stream.abort()

    async def _exchange(
        self, stream: Stream, target: Endpoint, request: UpstreamRequest, body: Upload, length: int | None
    ) -> Answer:
        upload: asyncio.Task[None] | None = None
        try:
            head = request_head(request, target, body, length)
            stream.write(head + body if isinstance(body, bytes) else head)
            if body is not None and not isinstance(body, bytes):
                upload = self._loop.create_task(_upload(stream, body, length))
                upload.add_done_callback(_look_at)
            answer = await _answer_head(stream, upload)
            return Answer(answer, response_body(answer, request.method), stream, target, upload)
        except BaseException:
            if upload is not None:
                upload.cancel()
            stream.abort()
            raise


def request_head(request: UpstreamRequest, target: Endpoint, body: object, length: int | None) -> bytes:
    """Serialize a head; the framing is ours, whatever the client's was."""
    where, extra = request.target, ""
    if target.proxy is not None and not target.tls:
        where, extra = request.origin + request.target, proxy_authorization(target.proxy)
    lines = [f"{request.method} {where} HTTP/1.1\r\nHost: {target.authority}\r\n{extra}"]
    lines += [f"{name}: {value}\r\n" for name, value in request.headers]
    if isinstance(body, bytes):
        lines.append(f"Content-Length: {len(body)}\r\n\r\n")
    elif body is not None:
        lines.append("Transfer-Encoding: chunked\r\n\r\n" if length is None else f"Content-Length: {length}\r\n\r\n")
    else:
        lines.append("Content-Length: 0\r\n\r\n" if request.method in _LENGTHY else "\r\n")
    return "".join(lines).encode("ascii")


async def _answer_head(stream: Stream, upload: asyncio.Task[None] | None) -> ResponseHead:
    for count in range(MAX_INTERIM):
        reading = stream.read_head(SILENCE_SECONDS, HEAD_SECONDS)
        data = await (reading if upload is None else _head_or_failed_upload(reading, upload))
        if data is None and count:
            raise BrokenOff("the connection ended after an interim answer")
        if data is None:
            raise ClosedError
        head = read_response(data)
        if head.status >= 200 or head.status == 101:
            return head
    raise HttpSyntaxError("too many interim answers")


async def _head_or_failed_upload(head: Coroutine[Any, Any, bytes | None], upload: asyncio.Task[None]) -> bytes | None:
    reading = asyncio.ensure_future(head)
    try:
        await asyncio.wait((reading, upload), return_when=asyncio.FIRST_COMPLETED)
        if not reading.done() and (problem := upload.exception()) is not None:
            if isinstance(problem, UploadFailedError):
                raise problem
            # The upstream stopped reading: it may have said why.
            await asyncio.wait((reading,), timeout=1.0)
            if not reading.done():
                raise problem
        return await reading
    finally:
        reading.cancel()


async def _upload(stream: Stream, body: AsyncIterator[bytes], length: int | None) -> None:
    pieces = aiter(body)
    while True:
        try:
            piece = await anext(pieces)
        except StopAsyncIteration:
            break
        except (HttpSyntaxError, TimeoutError, OSError) as error:
            raise UploadFailedError from error
        stream.write(chunk(piece) if length is None else piece)
        await stream.drain(WRITE_SECONDS)
    if length is None:
        stream.write(LAST_CHUNK)


def _look_at(upload: asyncio.Task[None]) -> None:
    """Read a finished upload's exception: whoever still needs it finds it there, and nobody else is told."""
    if not upload.cancelled():
        upload.exception()
