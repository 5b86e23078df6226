"""Nothing a container can see depends on a secret, except the mask of a whole one: played against the real proxy.

A container that gets its own bytes echoed guesses, and looks at what comes when: each step of the provider is followed
by everything that has arrived at the client by then.
"""

from __future__ import annotations

import asyncio
import base64
import socket
import zlib
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from terok_sandbox.http1.stream import Deadlines
from terok_sandbox.sidecar import VaultWiring
from terok_sandbox.vault.access import VaultAccess
from terok_sandbox.vault.connection import generate_passphrase
from terok_sandbox.vault.frames import BINARY, CONTINUATION, TEXT, FrameReader, frame
from terok_sandbox.vault.proxy import VaultProxy
from terok_sandbox.vault.scrub import Patterns
from terok_sandbox.vault.store import CredentialDB
from terok_sandbox.vault.websocket import accept
from terok_sandbox.vault.worker import Server

from .conftest import CONTAINER

ONE = {
    "access_token": "at-4Fq8Zt1mWc7Xs5Kd0Rb9Vn3Gh6Jp2Ly",
    "refresh_token": "rt-never-sent/9e+Q",
    "id_token": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJvbmUifQ.c2lnbmF0dXJl-_x",
}
OTHER = {
    "access_token": "at-0000zzzz",
    "refresh_token": "rt-kept-at-home-and-quite-a-bit-longer-than-the-one-above",
    "id_token": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ0d28ifQ.YW5vdGhlcg",
}
THIRD = "glpat-of-another-provider-1234"
FORMS = ("until-end", "chunked", "fixed", "gzip", "undeclared-gzip", "websocket")
WRITTEN: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "percent": lambda text: quote(text, safe="").encode(),
    "percent-all": lambda text: "".join(f"%{ord(sign):02X}" for sign in text).encode(),
    "json-all": lambda text: "".join(f"\\u{ord(sign):04x}" for sign in text).encode(),
    "html-all": lambda text: "".join(f"&#x{ord(sign):x};" for sign in text).encode(),
    "hex": lambda text: text.encode().hex().encode(),
    "lower": lambda text: text.lower().encode(),
    "base64": lambda text: base64.b64encode(b"u:" + text.encode()),
}
# Signs that take as many bytes as the one they stand for, in every spelling.
ANOTHER = str.maketrans("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/+.",
                        "badcfehgjilknmporqtsvuxwzyBADCFEHGJILKNMPORQTSVUXWZY1032547698_-+/-")  # fmt: skip


@dataclass
class Upstream:
    """Answers with a head and then, step by step, with what it is told; `asked` fires when a request has come."""

    url: str = ""
    head: bytes = b""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        key = request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0].decode()
        writer.write(self.head.replace(b"KEY", accept(key)))
        self.writer = writer
        self.asked.set()
        await reader.read()


@dataclass
class Stage:
    """Proxies of vaults with different secrets before one provider, in one event loop."""

    loop: asyncio.AbstractEventLoop
    upstream: Upstream
    doors: list[tuple[str, int, str]]

    def deadlines(self, door: int, form: str, pieces: list[bytes]) -> list[bytes]:
        """Return what a client has received after the head, after each piece, and at the end."""
        return self.loop.run_until_complete(self._deadlines(self.doors[door], form, pieces))

    async def _deadlines(self, door: tuple[str, int, str], form: str, pieces: list[bytes]) -> list[bytes]:
        upstream = self.upstream
        upstream.asked.clear()
        upstream.head, steps, ending = wire(form, pieces)
        host, port, token = door
        upgrade = b""
        if form == "websocket":
            upgrade = (
                b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            )
        seen = []
        with socket.create_connection((host, port)) as client:
            client.setblocking(False)
            client.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\nx-api-key: %b\r\n%b\r\n" % (token.encode(), upgrade))
            async with asyncio.timeout(20):
                await upstream.asked.wait()
            writer = upstream.writer
            assert writer is not None
            seen.append(await arrived(client))
            for step in steps:
                writer.write(step)
                seen.append(await arrived(client))
            writer.write(ending)
            writer.close()
            seen.append(await arrived(client))
        await settled()
        return seen


async def settled() -> None:
    """Let everything happen that is possible without further input: the loopback delivers at once."""
    for _ in range(25):
        await asyncio.sleep(0)


async def arrived(client: socket.socket) -> bytes:
    await settled()
    try:
        return client.recv(4 * 1024 * 1024)
    except BlockingIOError:
        return b""
    except ConnectionResetError:
        return b"(reset)"


def wire(form: str, pieces: list[bytes]) -> tuple[bytes, list[bytes], bytes]:
    """Return head, one step for each piece, and ending of an answer."""
    start = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
    if form in ("gzip", "undeclared-gzip"):
        packer = zlib.compressobj(wbits=31)
        steps = [packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH) for piece in pieces]
        declared = b"Content-Encoding: gzip\r\n" if form == "gzip" else b""
        return start + declared + b"\r\n", steps, packer.flush()
    if form == "chunked":
        chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b"" for piece in pieces]
        return start + b"Transfer-Encoding: chunked\r\n\r\n", chunks, b"0\r\n\r\n"
    if form == "fixed":
        return start + b"Content-Length: %d\r\n\r\n" % sum(map(len, pieces)), pieces, b""
    if form == "websocket":
        switching = b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\n\r\n"
        opcodes = [TEXT, *[CONTINUATION] * len(pieces)]
        frames = [frame(opcode, piece, last=False) for opcode, piece in zip(opcodes, pieces, strict=False)]
        return switching, frames, frame(opcodes[len(pieces)], b"", last=True) + frame(BINARY, b"over")
    return start + b"\r\n", pieces, b""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    loop = asyncio.new_event_loop()
    upstream = Upstream()
    with ExitStack() as ending:
        ending.callback(loop.close)

        def run(work: Coroutine[Any, Any, Any]) -> Any:
            return loop.run_until_complete(work)

        server = run(asyncio.start_server(upstream.serve, "127.0.0.1", 0))
        upstream.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ending.callback(server.close)
        doors = []
        for number, secrets in enumerate((ONE, OTHER)):
            door, close = run(opened(tmp_path_factory.mktemp(f"vault{number}"), upstream.url, secrets))
            doors.append(door)
            ending.callback(run, close())
        yield Stage(loop, upstream, doors)


async def opened(folder: Path, url: str, secrets: dict[str, str]) -> tuple[tuple[str, int, str], Callable[[], Any]]:
    wiring = VaultWiring(folder / "c.db", folder / "routes.json", folder / "audit.jsonl", folder / "session")
    wiring.passphrase_file.touch(0o600)
    wiring.passphrase_file.write_text(passphrase := generate_passphrase())
    wiring.routes_path.write_text(f'{{"stub": {{"upstream": "{url}"}}, "hub": {{"upstream": "{url}"}}}}')
    db = CredentialDB(wiring.db_path, passphrase, create=True)
    db.store_credential("default", "stub", {"type": "oauth", **secrets})
    db.store_credential("default", "hub", {"type": "api_key", "key": THIRD})
    token = db.create_token(CONTAINER, "stub")
    db.create_token(CONTAINER, "hub")
    deadlines = Deadlines()
    proxy = VaultProxy(VaultAccess(wiring), deadlines, container=CONTAINER, audit_path=wiring.audit_path)
    server = Server(proxy.serve, deadlines)
    listener = socket.create_server(("127.0.0.1", 0))
    server.listen(listener)

    async def close() -> None:
        await server.shutdown(0.1)
        listener.close()
        await proxy.close()
        deadlines.stop()
        db.close()

    return (*listener.getsockname(), token), close


def body_of(form: str, seen: list[bytes]) -> bytes:
    """Return the text that the client has in the end."""
    if form == "websocket":
        data = b"".join(seen).partition(b"\r\n\r\n")[2]
        return b"".join(piece.data for piece in FrameReader(masked=False).feed(data) if piece.opcode == TEXT)
    head, _, body = b"".join(seen).partition(b"\r\n\r\n")
    if b"Transfer-Encoding: chunked" in head:
        text, rest = b"", body
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            text, rest = text + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        body = text
    return zlib.decompress(body, wbits=31) if "gzip" in form else body


def attempts() -> st.SearchStrategy[bytes]:
    """What a container sends to learn about a secret: parts of one, with an error, in any spelling; and other text."""
    secret = st.sampled_from([*ONE.values(), *OTHER.values(), THIRD])
    start, left = st.sampled_from([0, 0, 1, 4]), st.integers(0, 30)
    part = st.builds(lambda text, start, left: text[start : max(start + 1, len(text) - left)], secret, start, left)
    guess = st.builds(lambda text, sign: text + sign, part, st.sampled_from(["", "x", "~"]))
    written = st.builds(lambda name, text: WRITTEN[name](text), st.sampled_from(sorted(WRITTEN)), guess)
    return (
        part.map(str.encode)
        | written
        | st.sampled_from([b" ", b"\n", b"\r\n", b"data: x\n\n", b"A" * 76 + b"\n"])
        | st.binary(max_size=40)
    )


@pytest.mark.attack(id="ORA-1")
@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(attempts(), min_size=2, max_size=8))
def test_what_leaves_when_does_not_depend_on_the_secret(stage: Stage, form: str, pieces: list[bytes]) -> None:
    text = b"".join(pieces)
    assume(not Patterns([*ONE.values(), *OTHER.values(), THIRD]).finds(text))
    assert stage.deadlines(0, form, pieces) == (seen := stage.deadlines(1, form, pieces))
    assert body_of(form, seen) == text


@pytest.mark.attack(id="ORA-1")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("written", sorted(WRITTEN))
def test_a_guess_cannot_be_told_from_a_wrong_one(stage: Stage, form: str, written: str) -> None:
    """The attack that read a key of 75 characters in seconds: guess the next character, look at what is held back."""
    for secret in (ONE["access_token"], ONE["refresh_token"], THIRD):
        for known in range(1, len(secret), 4):
            right = WRITTEN[written](secret[:known])
            wrong = WRITTEN[written](secret[: known - 1] + secret[known - 1].translate(ANOTHER))
            assert right != wrong and len(right) == len(wrong)
            shown = []
            for guess in (right, wrong):
                seen = stage.deadlines(0, form, [b"{ " + guess, b"rest of the text", b"\n}"])
                assert body_of(form, seen) == b"{ " + guess + b"rest of the text\n}"
                shown.append([bool(piece) if "gzip" in form else len(piece) for piece in seen])
            assert shown[0] == shown[1]


@pytest.mark.attack(id="HTTP-6")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("written", sorted(WRITTEN))
def test_a_whole_secret_is_overwritten_wherever_it_is_cut(stage: Stage, form: str, written: str) -> None:
    for secret in (*ONE.values(), THIRD):
        text = b"{ " + WRITTEN[written](secret) + b" }"
        for cut in range(2, len(text), 11):
            pieces = [text[:cut], text[cut:]]
            seen = stage.deadlines(0, form, pieces)
            if "gzip" in form:
                # Where the head does not say so, it has left before; the answer is cut off without a byte of its body.
                head, _, body = b"".join(seen).partition(b"\r\n\r\n")
                assert b"reflected_secret" in body if form == "gzip" else body == b"(reset)" and b"chunked" in head
                continue
            body = body_of(form, seen)
            assert len(body) == len(text) and body.startswith(b"{ ") and body.endswith(b" }")
            assert body.count(b"*") >= len(secret)
