"""Turning an upstream's answer into ours: which headers pass, what becomes of redirects, how the body streams."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from typing import Final

from terok_sandbox.http1.body import LAST_CHUNK, chunk
from terok_sandbox.http1.head import BrokenOff, HttpSyntaxError, ResponseHead, status_line
from terok_sandbox.http1.stream import Stream
from terok_sandbox.vault.exchange import HeldBackError, Traffic
from terok_sandbox.vault.refusal import VaultRefusal, malformed
from terok_sandbox.vault.request_parts import HOP_BY_HOP
from terok_sandbox.vault.scrub import BodySearch, Patterns, ReflectedSecretError, UnreadableEncodingError, is_plain
from terok_sandbox.vault.spellings import may_take_long
from terok_sandbox.vault.swap import UpstreamRequest
from terok_sandbox.vault.upstream import Answer, ClosedError, ConnectTimeoutError, ProxyFailedError, UploadFailedError

SMALL_BODY: Final = 64 * 1024
"""Bodies up to this size that have come with their head are passed on together with it."""
STEP: Final = 512
"""Bytes of a compressed body that are searched at a time: they decode to half a MiB at most."""
PLAIN_STEP: Final = 128 * 1024
TURN_SECONDS: Final = 0.01
TURN: Final = 512 * 1024
"""Decoded bytes that are searched before others get their turn."""
WRITE_SECONDS: Final = 1200.0
"""How long a client may leave an answer unread."""
_DROPPED: Final = frozenset(name.encode("ascii") for name in HOP_BY_HOP) | {
    # Would move the client to another protocol or port, around the proxy, or redirect it.
    b"alt-svc", b"refresh", b"content-length",
    # Cookies authenticate; the only credential of a vaulted host is the stored one.
    b"set-cookie", b"set-cookie2",
    # Speaks of the upstream's own scheme and of proxies, not of this hop; ranges are never asked for.
    b"strict-transport-security", b"proxy-authenticate", b"proxy-authentication-info", b"accept-ranges",
}  # fmt: skip
_LOCATIONS: Final = frozenset({b"location", b"content-location"})


def reply_fields(head: ResponseHead, request: UpstreamRequest, patterns: Patterns | None) -> list[bytes]:
    """Return the header lines of our answer but for framing; without `patterns` there is no secret in the head."""
    dropped = _DROPPED | head.options() if b"connection" in head.names else _DROPPED
    lines = []
    for name, (shown, value) in zip(head.names, head.fields, strict=True):
        if name in dropped:
            continue
        if patterns is not None:
            shown, value = patterns.clean(shown), patterns.clean(value)  # noqa: PLW2901
        if name in _LOCATIONS:
            value = relative_location(value.decode("latin-1"), request).encode("latin-1")  # noqa: PLW2901
        lines.append(b"%b: %b\r\n" % (shown, value))
    if b"server" not in head.names or b"server" in dropped:
        lines.append(b"Server: terok-vault\r\n")
    return lines


def relative_location(location: str, request: UpstreamRequest) -> str:
    """Make a redirect to the same upstream relative, so that it leads through the proxy again; leave others alone."""
    if not location.startswith(request.origin):
        return location
    rest = location[len(request.origin) :]
    if not rest.startswith("/"):
        return location if rest else "/"
    if request.base and rest != request.base and not rest.startswith(request.base + "/"):
        return location
    path = rest[len(request.base) :] or "/"
    return location if path.startswith("//") else path


async def _searched(search: BodySearch, data: bytes) -> bytes:
    """Search a piece; others get their turn while one with very much text or many escapes is looked through."""
    step = STEP if search.coded(data) else PLAIN_STEP
    if len(data) <= step or (step == PLAIN_STEP and not may_take_long(data)):
        return search.feed(data)
    clean, before, since = [], search.decoded, time.monotonic()
    for start in range(0, len(data), step):
        clean.append(search.feed(data[start : start + step]))
        if search.decoded - before >= TURN or time.monotonic() - since >= TURN_SECONDS:
            await asyncio.sleep(0)
            before, since = search.decoded, time.monotonic()
    return b"".join(clean)


class Reply:
    """Sends one answer to the client. `begun` tells whether anything of it has left."""

    def __init__(self, client: Stream, *, minor: int, keep: bool) -> None:
        self._client = client
        self._minor = minor
        self._chunked = False
        self.keep = keep
        """Whether the connection may carry another request after this one."""
        self.begun = False

    async def send(self, answer: Answer, request: UpstreamRequest, patterns: Patterns, traffic: Traffic) -> None:
        """Pass the answer on, counting in `traffic`.

        Raises ValueError or OSError when it breaks off; if it was begun, the connection must not be ended cleanly.
        """
        head = answer.head
        if head.status < 200:
            raise HttpSyntaxError("an interim answer in place of a final one")
        length = answer.length
        encoding = (head.get(b"content-encoding") or b"").strip().lower().decode("latin-1")
        body = answer.small(SMALL_BODY)
        # One look over all of it: nearly always there is nothing to find.
        plain = body is not None and is_plain(encoding, body)
        reflected = patterns.finds(head.raw + body if plain and body else head.raw)
        fields = reply_fields(head, request, patterns if reflected else None)
        if answer.body is None:
            traffic.begin(head)
            known = length if head.status != 204 and not encoding else None
            self._write(self._head(head.status, fields, known, bodiless=True))
            return
        search = None if plain and not reflected else BodySearch(encoding, patterns, traffic.feed)
        traffic.begin(head)
        if body is None:
            assert search is not None
            await self._stream(answer, fields, length, search, traffic)
            return
        if search is None:
            if body:
                traffic.feed(body)
        else:
            body = search.whole(body) if plain else await _searched(search, body) + search.finish()
        traffic.count(received=len(body))
        self._write(self._head(head.status, fields, len(body)) + body)

    async def _stream(
        self, answer: Answer, fields: list[bytes], length: int | None, search: BodySearch, traffic: Traffic
    ) -> None:
        status, head = answer.head.status, b""
        if length is None and not search.declared:
            self._write(self._head(status, fields, None))
        # Else the head waits until it is known how the body is coded: the length of a compressed one is passed on only
        # after all of it has been searched, since it depends on what is repeated in there.
        async for piece in answer.content():
            clean = await _searched(search, piece)
            if not self.begun and (clean or search.plain):
                head = self._head(status, fields, length if search.plain else None)
            if clean or head:
                traffic.count(received=len(clean))
                self._write(head + self._framed(clean))
                head = b""
                await self._drain()
        rest = search.finish()
        traffic.count(received=len(rest))
        if not self.begun:
            head = self._head(status, fields, len(rest))
        self._write(head + self._framed(rest) + (LAST_CHUNK if self._chunked else b""))

    def refuse(self, refusal: VaultRefusal, linger: float) -> None:
        """Answer in the vault's name and end the connection: nothing that comes behind is read."""
        challenge = [_CHALLENGE] if refusal.status == 401 else []
        if self._client.open:
            self.send_own(refusal.status, [*refusal.headers, *challenge], refusal.body())
        self._client.linger(linger)

    def send_own(self, status: int, fields: list[tuple[str, str]], body: bytes) -> None:
        """Send an answer of our own; the connection ends after it."""
        self.keep = False
        lines = [f"{name}: {value}\r\n".encode("ascii") for name, value in (*_OWN_FIELDS, *fields)]
        self._write(self._head(status, lines, len(body)) + body)

    def _head(self, status: int, fields: list[bytes], length: int | None, *, bodiless: bool = False) -> bytes:
        framing = b""
        if length is not None:
            framing = b"Content-Length: %d\r\n" % length
        elif not bodiless:
            self._chunked = self._minor > 0
            framing = b"Transfer-Encoding: chunked\r\n" if self._chunked else b""
            self.keep = self.keep and self._chunked
        if not self.keep:
            framing += b"Connection: close\r\n"
        return b"".join([status_line(status), *fields, framing, b"\r\n"])

    def _framed(self, data: bytes) -> bytes:
        return chunk(data) if self._chunked and data else data

    def _write(self, data: bytes) -> None:
        if data:
            self.begun = True
            if not self._client.left:
                self._client.write(data)

    async def _drain(self) -> None:
        try:
            if not self._client.left:
                await self._client.drain(WRITE_SECONDS)
        except BrokenOff:
            if not self._client.left:
                raise


_OWN_FIELDS: Final = [("Content-Type", "application/json"), ("Server", "terok-vault"), ("Cache-Control", "no-store")]
# git sends the token in its remote's URL only when Basic is asked for.
_CHALLENGE: Final = ("WWW-Authenticate", 'Basic realm="terok-vault", Bearer realm="terok-vault"')
_BODY_TIMEOUT: Final = VaultRefusal(408, "body_timeout", "the request body stopped arriving")
_UNREADABLE: Final = VaultRefusal(502, "unreadable_encoding", "the answer has an encoding that cannot be searched")
_REFLECTED: Final = VaultRefusal(
    502, "reflected_secret", "the provider's compressed answer repeats the stored credential; it is not passed on"
)


def refusal_of(error: BaseException) -> VaultRefusal:
    """Return the refusal that says what an exchange failed of."""
    if isinstance(error.__cause__, HeldBackError):
        error = error.__cause__
    if isinstance(error, HeldBackError):
        return error.refusal
    if isinstance(error, UploadFailedError):
        stalled = isinstance(error.__cause__, TimeoutError)
        return _BODY_TIMEOUT if stalled else malformed("the request body is not framed as HTTP")
    if isinstance(error, UnreadableEncodingError):
        return _UNREADABLE
    return _REFLECTED if isinstance(error, ReflectedSecretError) else failure(error)


def failure(error: BaseException) -> VaultRefusal:
    """Say in one short class what went wrong with an upstream, without quoting anything that was sent."""
    reason, what = next((reason, what) for kind, reason, what in _KINDS if isinstance(error, kind))
    return VaultRefusal(502, reason, f"the provider could not be reached: {what}")


_KINDS: Final[tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str, str], ...]] = (
    (socket.gaierror, "upstream_name", "its name does not resolve"),
    ((ssl.SSLError, ssl.CertificateError), "upstream_tls", "TLS failed"),
    (ProxyFailedError, "upstream_proxy", "the HTTP proxy failed"),
    (ConnectTimeoutError, "upstream_connect_timeout", "connecting timed out"),
    (TimeoutError, "upstream_timeout", "it did not answer in time"),
    (ClosedError, "upstream_closed", "it closed the connection without an answer"),
    (BrokenOff, "upstream_broken_body", "its answer broke off"),
    (HttpSyntaxError, "upstream_malformed", "its answer is not HTTP"),
    (ConnectionRefusedError, "upstream_refused", "it refuses connections"),
    (BaseException, "upstream_unreachable", "the connection failed"),
)
