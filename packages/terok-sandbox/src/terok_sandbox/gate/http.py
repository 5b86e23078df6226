"""Calls of the gate over HTTP/1.1: a request's head and body, and the answer to it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final

from terok_sandbox.gate.request import GateRefusal
from terok_sandbox.http1.body import LAST_CHUNK, chunk, request_body
from terok_sandbox.http1.head import BrokenOff, HttpSyntaxError, RequestHead, lower_name, read_request, status_line
from terok_sandbox.http1.stream import HeadTooLarge, Stream

IDLE_SECONDS: Final = 30.0
"""How long a connection may be unused, before its first request and between requests."""
HEAD_SECONDS: Final = 20.0
"""How long a request head may take from its first byte to its last."""
LINGER_SECONDS: Final = 5.0
MAX_HEADERS: Final = 100
_LENGTH: Final = re.compile(r"[0-9]{1,15}")


class Call:
    """One request, and its answer: `refuse`, `answer`, or `begin`, `send` and `end`."""

    def __init__(self, client: Stream, head: RequestHead) -> None:
        """Judge the head; raises HttpSyntaxError where two readers could understand it differently."""
        self.method, self.target = head.method, head.target
        self.headers = _headers(head)
        """Values by name in lower case."""
        self.goes_on = head.minor > 0 and "close" not in _words(self.headers.get("connection", ""))
        """Whether the connection may carry another call after this one."""
        self._client = client
        self._chunked = head.minor > 0
        length, chunked = _framing(self.headers, head.minor)
        self._body = request_body(length, chunked=chunked)
        self._begun = False
        self._awaited = head.minor > 0 and "100-continue" in _words(self.headers.get("expect", ""))

    @property
    def has_body(self) -> bool:
        """Whether bytes of the request follow its head."""
        return self._body is not None

    @property
    def unread(self) -> bool:
        """Whether bytes of the body have not been read."""
        return self._body is not None and not self._body.done

    async def body(self, seconds: float) -> AsyncIterator[bytes]:
        """Yield the body in pieces; HttpSyntaxError or TimeoutError, after `seconds` of silence, without an end."""
        if self._body is None:
            return
        if self._awaited:
            self._client.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        async for piece in self._client.read_body(self._body, seconds):
            yield piece

    def refuse(self, refusal: GateRefusal, *, close: bool = True) -> None:
        """Say why not; with `close` whatever else was sent on this connection is not looked at."""
        if self._begun:  # nothing else can report the failure
            return self.cut()
        self.goes_on = self.goes_on and not close
        text, kind = refusal.reason + "\n", "text/plain; charset=utf-8"
        if refusal.lfs:
            text, kind = json.dumps({"message": refusal.reason}), "application/vnd.git-lfs+json"
        return self._whole(refusal.status, {"Content-Type": kind, **dict(refusal.headers)}, text.encode())

    def answer(self, headers: Mapping[str, str], body: bytes) -> None:
        """Answer with all of a body."""
        self._whole(200, headers, body)

    def begin(self, headers: Mapping[str, str]) -> None:
        """Begin an answer whose length is not known."""
        self.goes_on = self.goes_on and self._chunked
        self._head(200, headers, "Transfer-Encoding: chunked" if self._chunked else "")

    async def send(self, data: bytes, seconds: float) -> None:
        """Send some of the body; TimeoutError if the client does not take it for so long."""
        self._client.write(chunk(data) if self._chunked else data)
        await self._client.drain(seconds)

    def end(self) -> None:
        """End the answer."""
        if self._chunked:
            self._client.write(LAST_CHUNK)

    def cut(self) -> None:
        """End the connection so that nobody takes what was sent for the whole."""
        self.goes_on = False
        self._client.reset()

    def _whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self._head(status, headers, f"Content-Length: {len(body)}")
        if self.method != "HEAD":
            self._client.write(body)

    def _head(self, status: int, headers: Mapping[str, str], framing: str) -> None:
        self._begun = True
        self.goes_on = self.goes_on and not self.unread
        lines = [f"{name}: {value}" for name, value in {"Server": "terok", **headers}.items()]
        lines += [line for line in (framing, "" if self.goes_on else "Connection: close") if line]
        self._client.write(status_line(status) + "\r\n".join([*lines, "", ""]).encode("ascii"))


async def serve_calls(client: Stream, handler: Callable[[Call], Awaitable[None]]) -> None:
    """Have the calls of one connection answered, one after the other, until it ends."""
    while True:
        try:
            data = await client.read_head(IDLE_SECONDS, HEAD_SECONDS)
            if data is None:
                return client.close()
            call = Call(client, read_request(data))
        except HeadTooLarge:
            return _turn_away(client, GateRefusal(431, "the request head is too large"))
        except TimeoutError:
            return client.close()
        except HttpSyntaxError as error:
            return _turn_away(client, GateRefusal(400, str(error)))
        try:
            await handler(call)
        except BrokenOff:  # the client has gone
            return client.reset()
        except HttpSyntaxError as error:
            call.refuse(GateRefusal(400, str(error)))
        if call.unread:
            return client.linger(LINGER_SECONDS)
        if not call.goes_on:
            return client.close()


def _turn_away(client: Stream, refusal: GateRefusal) -> None:
    """Answer bytes that are not a request."""
    if client.open:
        Call(client, RequestHead("GET", "/", 1, [])).refuse(refusal)
        client.linger(LINGER_SECONDS)


def _headers(head: RequestHead) -> dict[str, str]:
    if len(head.fields) > MAX_HEADERS:
        raise HttpSyntaxError("the request has too many headers")
    names = [lower_name(name).decode("ascii") for name, _ in head.fields]
    for name in _SINGLE:
        if names.count(name) > 1:
            raise HttpSyntaxError("a header that must be single is not")
    return {name: value.decode("ascii") for name, (_, value) in zip(names, head.fields, strict=True)}


_SINGLE: Final = (
    *("authorization", "connection", "content-encoding", "content-length", "content-type", "expect"),
    *("git-protocol", "transfer-encoding"),
)
"""Headers that mean something here."""


def _words(value: str) -> list[str]:
    return [word.strip().lower() for word in value.split(",")]


def _framing(headers: Mapping[str, str], minor: int) -> tuple[int | None, bool]:
    """Return the length of a request's body, if it is known, and whether it comes in chunks."""
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if coding is not None and (coding.lower() != "chunked" or length is not None or minor == 0):
        raise HttpSyntaxError("the body is neither of one length nor plainly in chunks")
    if length is not None and not _LENGTH.fullmatch(length):
        raise HttpSyntaxError("the Content-Length is unusable")
    return (None if length is None else int(length)), coding is not None
