"""The side of the proxy that talks to providers: one request out, one answer's head back, its body as it comes."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from terok_sandbox.http1.body import LAST_CHUNK, Body, LengthBody, chunk, content_length, response_body
from terok_sandbox.http1.head import BrokenOff, ResponseHead, WireError, read_response
from terok_sandbox.vault.dial import ConnectTimeoutError, Pool, ProxyFailedError, endpoint, proxy_authorization
from terok_sandbox.vault.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from terok_sandbox.vault.dial import Endpoint
    from terok_sandbox.vault.leg import Leg, Watch
    from terok_sandbox.vault.swap import UpstreamRequest

SILENCE_SECONDS: Final = 1200.0
"""How long an upstream may be silent, before its answer or in the middle of it: models think for minutes."""
HEAD_SECONDS: Final = 60.0
WRITE_SECONDS: Final = 300.0
MAX_INTERIM: Final = 8
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_LENGTHY = frozenset({"POST", "PUT", "PATCH"})


class ClosedError(ConnectionError):
    """The upstream closed the connection without an answer."""


class UploadFailedError(ValueError):
    """The client's body did not come to its end; `__cause__` says why."""


@dataclass(slots=True)
class Answer:
    """An upstream's answer: its head, and how its body is framed. End it with `UpstreamClient.release` or `drop`."""

    head: ResponseHead
    body: Body | None
    leg: Leg
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
        data = self.leg.at_hand(self.body.length)
        if data is not None:
            self.body.feed(data)
        return data

    def content(self) -> AsyncIterator[bytes]:
        """Return the body's pieces; raises WireError, BrokenOff, TimeoutError on the way."""
        assert self.body is not None
        return self.leg.content(self.body, SILENCE_SECONDS)


class UpstreamClient:
    """Sends requests to upstreams over HTTP/1.1. Create it inside a running event loop and close it there."""

    def __init__(self, watch: Watch) -> None:
        self._pool = Pool(watch)
        self._loop = watch.loop

    def close(self) -> None:
        """Close idle connections."""
        self._pool.close()

    async def send(
        self, request: UpstreamRequest, body: bytes | AsyncIterator[bytes] | None, length: int | None
    ) -> Answer:
        """Send a request and return the answer's head.

        Only an idempotent request without a streamed body is sent again, once, when a kept connection turns out dead
        before any byte of an answer.
        A streamed body goes on being sent while the answer is read.

        Raises:
            OSError, TimeoutError, WireError, ClosedError, ProxyFailedError: see `failure`.
            UploadFailedError: the body could not be read from the client.

        """
        target = endpoint(request.origin)
        head = request_head(request, target, body, length)
        streamed = body is not None and not isinstance(body, bytes)
        leg = self._pool.idle(target)
        if leg is not None:
            try:
                return await self._exchange(leg, target, request, head, body, length)
            except ClosedError:
                if streamed or request.method not in _IDEMPOTENT:
                    raise
        return await self._exchange(await self._pool.dial(target), target, request, head, body, length)

    async def upgrade(self, request: UpstreamRequest) -> Answer:
        """Send a handshake on a connection of its own; the answer is any, 101 among them. Raises like `send`."""
        target = endpoint(request.origin)
        leg = await self._pool.dial(target)
        return await self._exchange(leg, target, request, request_head(request, target, None, None), None, None)

    def release(self, answer: Answer) -> None:
        """End an answer that was read to its end: the connection is kept if it can be."""
        done = answer.body is None or answer.body.done
        if done and (answer.upload is None or _uploaded(answer.upload)) and _keeps(answer.head):
            self._pool.keep(answer.target, answer.leg)
        else:
            self.drop(answer)

    def drop(self, answer: Answer) -> None:
        """End an answer wherever it is."""
        if answer.upload is not None:
            answer.upload.cancel()
        answer.leg.abort()

    async def _exchange(
        self,
        leg: Leg,
        target: Endpoint,
        request: UpstreamRequest,
        head: bytes,
        body: bytes | AsyncIterator[bytes] | None,
        length: int | None,
    ) -> Answer:
        upload: asyncio.Task[None] | None = None
        try:
            leg.write(head + body if isinstance(body, bytes) else head)
            if body is not None and not isinstance(body, bytes):
                upload = self._loop.create_task(_upload(leg, body, length))
                upload.add_done_callback(_look_at)
            answer = await _answer_head(leg, upload)
            return Answer(answer, response_body(answer, request.method), leg, target, upload)
        except BaseException:
            if upload is not None:
                upload.cancel()
            leg.abort()
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


def failure(error: BaseException) -> Refusal:
    """Say in one short class what went wrong with an upstream, without quoting anything that was sent."""
    reason, what = _classify(error)
    return Refusal(502, reason, f"the provider could not be reached: {what}")


async def _answer_head(leg: Leg, upload: asyncio.Task[None] | None) -> ResponseHead:
    for count in range(MAX_INTERIM):
        reading = leg.head(SILENCE_SECONDS, HEAD_SECONDS)
        data = await (reading if upload is None else _head_or_failed_upload(reading, upload))
        if data is None and count:
            raise BrokenOff("the connection ended after an interim answer")
        if data is None:
            raise ClosedError
        head = read_response(data)
        if head.status >= 200 or head.status == 101:
            return head
    raise WireError("too many interim answers")


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


async def _upload(leg: Leg, body: AsyncIterator[bytes], length: int | None) -> None:
    pieces = aiter(body)
    while True:
        try:
            piece = await anext(pieces)
        except StopAsyncIteration:
            break
        except (WireError, TimeoutError, OSError) as error:
            raise UploadFailedError from error
        leg.write(chunk(piece) if length is None else piece)
        await leg.drain(WRITE_SECONDS)
    if length is None:
        leg.write(LAST_CHUNK)


def _look_at(upload: asyncio.Task[None]) -> None:
    """Read a finished upload's exception: whoever still needs it finds it there, and nobody else is told."""
    if not upload.cancelled():
        upload.exception()


def _uploaded(upload: asyncio.Task[None]) -> bool:
    return upload.done() and not upload.cancelled() and upload.exception() is None


def _keeps(head: ResponseHead) -> bool:
    return head.minor > 0 and b"close" not in head.options()


_KINDS: Final[tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str, str], ...]] = (
    (socket.gaierror, "upstream_name", "its name does not resolve"),
    ((ssl.SSLError, ssl.CertificateError), "upstream_tls", "TLS failed"),
    (ProxyFailedError, "upstream_proxy", "the HTTP proxy failed"),
    (ConnectTimeoutError, "upstream_connect_timeout", "connecting timed out"),
    (TimeoutError, "upstream_timeout", "it did not answer in time"),
    (ClosedError, "upstream_closed", "it closed the connection without an answer"),
    (BrokenOff, "upstream_broken_body", "its answer broke off"),
    (WireError, "upstream_malformed", "its answer is not HTTP"),
)


def _classify(error: BaseException) -> tuple[str, str]:
    for kind, reason, what in _KINDS:
        if isinstance(error, kind):
            return reason, what
    if isinstance(error, OSError) and error.errno == errno.ECONNREFUSED:
        return "upstream_refused", "it refuses connections"
    return "upstream_unreachable", "the connection failed"
