"""Few bytes that are much work do not keep others waiting: work per turn of the loop is bounded."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from terok_sandbox.shield.live_store import LiveState, save_live
from terok_sandbox.values.posture import LIVE_FILE
from terok_sandbox.vault import scrub as encodings
from terok_sandbox.vault import websocket
from terok_sandbox.vault.frames import MAX_PIECES, PING, frame
from terok_sandbox.vault.websocket import accept

from .conftest import Provider, Vault
from .test_standing import closed_now

MIB = 1024 * 1024


class Turns:
    """Counts work, and how much of it was done in one turn of the loop at most."""

    def __init__(self) -> None:
        self.done = self.most = self._seen = 0
        self._task = asyncio.get_running_loop().create_task(self._tick())

    async def _tick(self) -> None:
        while True:
            self.most, self._seen = max(self.most, self.done - self._seen), self.done
            await asyncio.sleep(0)

    def counting(self, what: Callable[..., Any], size: Callable[..., int]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            self.done += size(*arguments)
            return what(*arguments)

        return counted

    def stop(self) -> None:
        self._task.cancel()


@pytest.mark.attack(id="BRK-1")
@pytest.mark.parametrize("whole", [False, True])
async def test_a_bomb_of_gzip_is_searched_in_turns(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    bomb = gzip.compress(b"\0" * (50 * MIB if whole else 150 * MIB))
    assert whole is (len(bomb) <= 64 * 1024)

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/other":
            return web.Response(text="here")
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    turns = Turns()
    feed = turns.counting(encodings.Scrubber.feed, lambda _, data: len(data))
    monkeypatch.setattr(encodings.Scrubber, "feed", feed)
    provider.handler = handler
    async with client.get("/bomb") as bombed:
        async with client.get("/other") as other:
            assert await other.text() == "here"
        assert await bombed.read() == bomb
    turns.stop()
    assert turns.done > 50 * MIB and turns.most <= 2 * MIB, "looked through without giving others their turn"


@pytest.mark.attack(id="BRK-1")
async def test_a_quarantine_ends_the_search_of_a_bomb(
    vault: Vault, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = gzip.compress(b"\0" * (400 * MIB))
    turns = Turns()

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    def begun(_: Any, data: bytes) -> int:
        if turns.done < 10 * MIB <= turns.done + len(data):
            save_live(vault.wiring.audit_path.with_name(LIVE_FILE), LiveState("quarantine"))
        return len(data)

    monkeypatch.setattr(encodings.Scrubber, "feed", turns.counting(encodings.Scrubber.feed, begun))
    monkeypatch.setattr("terok_sandbox.http1.stream.SWEEP_SECONDS", 0.001)
    provider.handler = handler
    request = f"GET /bomb HTTP/1.1\r\nHost: localhost\r\nx-api-key: {vault.token}\r\n\r\n"
    with suppress(ConnectionError):
        assert not (await vault.raw(request.encode())).endswith(b"0\r\n\r\n")
    async with asyncio.timeout(30):
        while "response" not in [row["action"] for row in vault.audit()]:
            await asyncio.sleep(0.001)
    turns.stop()
    assert turns.done < 390 * MIB, "looked through to its end"


@pytest.mark.attack(id="BRK-1")
@pytest.mark.parametrize("way", ["up", "down"])
async def test_a_flood_of_empty_frames_is_passed_on_in_turns(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    count, served = 50_000, asyncio.Event()
    empty = frame(PING, b"", key=b"abcd" if way == "up" else b"")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept(key)
        )
        if way == "down":
            writer.write(empty * count)
        with suppress(ConnectionError):
            while await reader.read(65536):
                pass
        await closed_now(writer)
        served.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    vault.routes(stub={"upstream": f"http://127.0.0.1:{port}", "header": "x-api-key"})
    turns = Turns()
    monkeypatch.setattr(websocket._Way, "take", turns.counting(websocket._Way.take, lambda *_: 1))
    reader, writer = await asyncio.open_connection("127.0.0.1", vault.port)
    head = (
        "GET /socket HTTP/1.1\r\nHost: localhost\r\nx-api-key: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    writer.write(head.format(vault.token).encode())
    await reader.readuntil(b"\r\n\r\n")
    if way == "up":
        writer.write(empty * count)
    async with asyncio.timeout(60):
        while turns.done < count:
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(65536), 0.01)
        await closed_now(writer)
        await served.wait()
    turns.stop()
    server.close()
    assert turns.most <= 2 * MAX_PIECES, "passed on without giving others their turn"
