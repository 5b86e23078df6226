"""Revoking a token and locking the vault end what is open, as a quarantine does, whoever is talking."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from terok_sandbox.vault.frames import BINARY, PING, frame

from .conftest import CONTAINER, Provider, Vault

KEY = b"abcd"
HANDSHAKE = (
    "GET /socket HTTP/1.1\r\nHost: localhost\r\nx-api-key: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
OUTCOMES = {"revoked": "unknown_token", "locked": "vault_unavailable"}


async def closed_now(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def withdraw(vault: Vault, how: str) -> None:
    if how == "revoked":
        vault.db.revoke_tokens(CONTAINER)
    else:
        vault.wiring.passphrase_file.unlink()


async def ended(vault: Vault, how: str) -> None:
    async with asyncio.timeout(10):
        while vault.audit()[-1]["action"] != "response":
            await asyncio.sleep(0.01)
    assert vault.audit()[-1]["outcome"] == OUTCOMES[how]


@pytest.mark.attack(id="TOK-1")
@pytest.mark.parametrize("how", ["revoked", "locked"])
@pytest.mark.parametrize("way", ["waits", "streams", "uploads"])
async def test_an_open_request_ends(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider, how: str, way: str
) -> None:
    begun, left = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        begun.set()
        stream = web.StreamResponse()
        try:
            if way == "uploads":
                async for _ in request.content.iter_any():
                    pass
            elif way == "streams":
                await stream.prepare(request)
                while True:
                    await stream.write(b"x")
                    await asyncio.sleep(0.01)
            else:
                await asyncio.sleep(60)
        finally:
            left.set()
        return stream

    async def slowly() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.01)

    provider.handler = handler

    async def ask() -> int:
        async with client.post("/v1/x", data=slowly() if way == "uploads" else b"x") as answer:
            await answer.read()
            return answer.status

    asking = asyncio.create_task(ask())
    async with asyncio.timeout(10):
        await begun.wait()
        withdraw(vault, how)
        await ended(vault, how)
        if way != "waits":  # aiohttp tells only a handler that reads or writes
            await left.wait()
        if way == "streams":
            with pytest.raises(aiohttp.ClientError):
                await asking
        else:
            with contextlib.suppress(aiohttp.ClientError):  # a client in the middle of its upload may not read it
                assert await asking == (401 if how == "revoked" else 503)


@pytest.mark.attack(id="TOK-1")
@pytest.mark.parametrize("how", ["revoked", "locked"])
@pytest.mark.parametrize("way", ["silent", "pings", "unfinished", "answers"])
async def test_an_open_websocket_ends_on_both_sides(vault: Vault, provider: Provider, how: str, way: str) -> None:
    heard: list[aiohttp.WSMessage] = []
    closed: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        talking = asyncio.create_task(talk(socket)) if way == "answers" else None
        heard.extend([message async for message in socket])
        closed.set_result(socket.close_code)
        if talking is not None:
            talking.cancel()
        return socket

    async def talk(socket: web.WebSocketResponse) -> None:
        while True:
            await socket.send_str("word")
            await asyncio.sleep(0.01)

    provider.handler = handler
    reader, writer = await asyncio.open_connection("127.0.0.1", vault.port)
    writer.write(HANDSHAKE.format(vault.token).encode())
    await reader.readuntil(b"\r\n\r\n")
    frames = {"pings": frame(PING, b"", key=KEY), "unfinished": frame(0, b"more", last=False, key=KEY)}
    if way == "unfinished":
        writer.write(frame(BINARY, b"begun", last=False, key=KEY))
    withdraw(vault, how)
    async with asyncio.timeout(10):
        got = await _all(reader, writer, frames.get(way, b""))
        assert b"\x88\x02\x03\xf0" in got, "closed with 1008"
        assert await closed in (1008, 1006)
        await ended(vault, how)
    await closed_now(writer)
    assert not any(message.type is aiohttp.WSMsgType.BINARY for message in heard)


async def _all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes) -> bytes:
    """Say something again and again, and return what comes until the connection ends."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(said)
            with contextlib.suppress(TimeoutError):
                piece = await asyncio.wait_for(reader.read(4096), 0.05)
                got += piece
                if not piece:
                    break
    return got


@pytest.mark.attack(id="TOK-1")
async def test_what_waits_for_a_provider_that_does_not_read_does_not_follow(vault: Vault, provider: Provider) -> None:
    release, served = asyncio.Event(), asyncio.Event()
    arrived = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()
        await release.wait()
        writer.transport.resume_reading()
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(65536):
                arrived += len(piece)
        await closed_now(writer)
        served.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    vault.routes(stub={"upstream": f"http://127.0.0.1:{port}", "header": "x-api-key"})
    _, writer = await asyncio.open_connection("127.0.0.1", vault.port)
    head = f"POST /x HTTP/1.1\r\nHost: localhost\r\nx-api-key: {vault.token}\r\nContent-Length: 100000000\r\n\r\n"
    writer.write(head.encode() + b"x" * 20_000_000)
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        while not vault.audit():
            await asyncio.sleep(0.01)
        withdraw(vault, "revoked")
        await ended(vault, "revoked")
        release.set()
        await served.wait()
    sent = vault.audit()[-1]["sent_bytes"]
    await closed_now(writer)
    server.close()
    assert isinstance(sent, int) and sent < 20_000_000 and arrived <= sent
