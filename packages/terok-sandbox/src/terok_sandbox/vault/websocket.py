"""Bridging a WebSocket: a handshake of our own on each side, then frames passed on piece by piece."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from terok_sandbox.http1.head import BrokenOff, HttpSyntaxError, RequestHead
from terok_sandbox.http1.stream import Stream
from terok_sandbox.vault import frames
from terok_sandbox.vault.exchange import HeldBackError, Traffic
from terok_sandbox.vault.frames import CLOSE, CONTROL, FrameError, FrameReader, Piece, frame
from terok_sandbox.vault.scrub import Patterns, Scrubber
from terok_sandbox.vault.spellings import may_take_long
from terok_sandbox.vault.swap import Screened
from terok_sandbox.vault.upstream import Answer

MAX_OBSERVED: Final = 1024 * 1024
"""Bytes of a message that the meter is shown; what is longer is left out."""
STEP: Final = 128 * 1024
"""Bytes of a message that are searched before others get their turn."""
EMPTY_FRAME: Final = 2
"""Bytes that a frame without content counts for."""
SILENCE_SECONDS: Final = 1200.0
"""How long neither side may say anything; pings count."""
CLOSE_SECONDS: Final = 5.0
_MAGIC: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PROTOCOL_ERROR: Final = b"\x03\xea"
POLICY: Final = b"\x03\xf0"
BROKEN: Final = b"\x03\xf3"


def handshake_headers(key: str, subprotocols: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the headers that ask an upstream for a WebSocket."""
    headers = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
    chosen = [("Sec-WebSocket-Protocol", ", ".join(subprotocols))] if subprotocols else []
    return [*headers, ("Sec-WebSocket-Key", key), *chosen]


def requested_key(head: RequestHead) -> str | None:
    """Return the key of a client's handshake, None if the handshake is not a whole one."""
    fields = {name.lower(): value for name, value in head.fields}
    key = fields.get(b"sec-websocket-key", b"").decode("ascii")
    return key if len(key) == 24 and fields.get(b"sec-websocket-version") == b"13" else None


def new_key() -> str:
    """Return a handshake key."""
    return base64.b64encode(secrets.token_bytes(16)).decode("ascii")


def accept(key: str) -> bytes:
    """Return the Sec-WebSocket-Accept value of a key."""
    digest = hashlib.sha1(key.encode("ascii") + _MAGIC, usedforsecurity=False).digest()
    return base64.b64encode(digest)


def switching(answer: Answer, key: str, screened: Screened, client_key: str) -> bytes:
    """Check the upstream's 101 and return the client's; raises HttpSyntaxError for what was not offered."""
    head = answer.head
    if (head.get(b"upgrade") or b"").lower() != b"websocket" or head.get(b"sec-websocket-accept") != accept(key):
        raise HttpSyntaxError("the WebSocket handshake is not completed")
    if head.get(b"sec-websocket-extensions"):
        raise HttpSyntaxError("a WebSocket extension was chosen that was not offered")
    protocol = head.get(b"sec-websocket-protocol")
    if protocol is not None and protocol.decode("latin-1") not in screened.subprotocols:
        raise HttpSyntaxError("a WebSocket subprotocol was chosen that was not offered")
    chosen = b"" if protocol is None else b"Sec-WebSocket-Protocol: %b\r\n" % protocol
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n%b\r\n" % (accept(client_key), chosen)
    )


async def bridge(
    client: Stream, upstream: Stream, patterns: Patterns, traffic: Traffic, permitted: Callable[[], Awaitable[bool]]
) -> bool:
    """Pass frames until either side closes or breaks off, counting in `traffic`; return whether it was closed in order.

    `permitted` is asked before each message of the client; when it says no, both sides are closed with 1008. Close
    codes travel; a stream that breaks closes the other with 1011.
    """
    pumps = (
        asyncio.ensure_future(_pump(_Way(client, upstream, traffic, None), permitted)),
        asyncio.ensure_future(_pump(_Way(upstream, client, traffic, patterns), None)),
    )
    try:
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            orderly = _closed(pumps)
            await asyncio.wait(pumps, timeout=CLOSE_SECONDS)
        except asyncio.CancelledError:
            # A client may hang up when it has read a close, instead of answering it.
            if not (orderly := _closed(pumps)):
                raise
        return orderly
    finally:
        pending = [pump for pump in pumps if not pump.done()]
        for pump in pending:
            pump.cancel()
        if pending:
            await asyncio.gather(*pending, return_exceptions=True)


def _closed(pumps: tuple[asyncio.Task[bool], ...]) -> bool:
    """Tell whether a close frame has passed in one of the directions."""
    return any(pump.result() for pump in pumps if pump.done())


class _Way:
    """One direction; `patterns` is given for the way to the client."""

    def __init__(self, source: Stream, sink: Stream, traffic: Traffic, patterns: Patterns | None) -> None:
        self.source, self.sink = source, sink
        self.reader = FrameReader(masked=patterns is None)
        self._traffic = traffic
        self._to_client = patterns is not None
        self._patterns = patterns
        self._scrubber = None if patterns is None else Scrubber(patterns)
        self._message = bytearray()
        self.begun = False

    def take(self, piece: Piece) -> bool:
        """Pass a piece on; return whether it closes this way."""
        if piece.opcode in CONTROL:
            if piece.opcode != CLOSE:
                self._count(len(piece.data) + EMPTY_FRAME)
            data = piece.data if self._patterns is None else self._patterns.clean(piece.data)
            self._send(piece.opcode, data, last=True)
            return piece.opcode == CLOSE
        content = piece.data
        if self._scrubber is not None:
            content = self._scrubber.feed(content)
            if piece.last:
                content += self._scrubber.finish()
        self._show(content, last=piece.last)
        self._count(len(content) or EMPTY_FRAME)
        if content or piece.last:
            self._send(frames.CONTINUATION if self.begun else piece.opcode, content, last=piece.last)
            self.begun = not piece.last
        return False

    def _count(self, size: int) -> None:
        self._traffic.count(**{"received" if self._to_client else "sent": size})

    def _show(self, content: bytes, *, last: bool) -> None:
        """Show the meter whole messages, the client's piece by piece: the last one may be held back."""
        if self._traffic.observer is None:
            return
        if not self._to_client:
            self._traffic.ask(content, last=last)
            return
        if len(self._message) <= MAX_OBSERVED:
            self._message += content[: MAX_OBSERVED + 1]
        if last:
            if len(self._message) <= MAX_OBSERVED:
                self._traffic.feed(bytes(self._message))
            self._message.clear()

    def stop(self, why: HeldBackError) -> None:
        """Close both sides because a message must not pass."""
        self.end(POLICY, POLICY)
        if self._traffic.stop is not None:
            self._traffic.stop(why.refusal)

    def end(self, code: bytes, back: bytes = b"") -> None:
        """Close the sink with `code`, the source with `back`, as far as they are there."""
        if self.sink.open:
            self._send(CLOSE, code, last=True)
        if back and self.source.open:
            self.source.write(_frame(CLOSE, back, last=True, masked=self._to_client))

    def _send(self, opcode: int, data: bytes, *, last: bool) -> None:
        self.sink.write(_frame(opcode, data, last=last, masked=not self._to_client))


async def _pump(way: _Way, permitted: Callable[[], Awaitable[bool]] | None) -> bool:
    """Pass frames until a close frame has passed, and tell whether one has."""
    try:
        while data := await way.source.read_some(SILENCE_SECONDS):
            async for piece in _pieces(way.reader, data):
                if permitted is not None and not way.begun and piece.opcode not in CONTROL and not await permitted():
                    way.end(POLICY, POLICY)
                    return False
                if way.take(piece):
                    await way.sink.drain(SILENCE_SECONDS)
                    return True
            await way.sink.drain(SILENCE_SECONDS)
        way.end(BROKEN)
    except HeldBackError as error:
        way.stop(error)
    except FrameError:
        way.end(BROKEN, PROTOCOL_ERROR)
    except (BrokenOff, TimeoutError, OSError):
        way.end(BROKEN)
    return False


async def _pieces(reader: FrameReader, data: bytes) -> AsyncIterator[Piece]:
    """Yield the pieces in `data`, large ones in parts; others get their turn between many of them."""
    pieces = reader.feed(data)
    while pieces:
        for whole in pieces:
            piece = whole
            while len(piece.data) > STEP and may_take_long(piece.data):
                yield Piece(piece.opcode, piece.data[:STEP], last=False)
                await asyncio.sleep(0)
                piece = Piece(piece.opcode, piece.data[STEP:], piece.last)
            yield piece
        if len(pieces) < frames.MAX_PIECES:
            return
        await asyncio.sleep(0)
        pieces = reader.feed(b"")


def _frame(opcode: int, data: bytes, *, last: bool, masked: bool) -> bytes:
    """Towards the upstream frames are masked."""
    return frame(opcode, data, last=last, key=secrets.token_bytes(4) if masked else b"")
