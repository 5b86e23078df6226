from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web
from terok_sandbox.vault import access

from .conftest import CONTAINER, SECRET, Provider, Vault


async def test_messages_pass_both_ways_and_secrets_do_not(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    heads = []

    async def handler(request: web.Request) -> web.StreamResponse:
        heads.append(dict(request.headers))
        socket = web.WebSocketResponse(protocols=("realtime",))
        await socket.prepare(request)
        async for message in socket:
            if message.data == "bye":
                await socket.close(code=4001)
            elif message.type is aiohttp.WSMsgType.TEXT:
                await socket.send_str(f"{message.data} {SECRET}")
            else:
                await socket.send_bytes(message.data)
        return socket

    provider.handler = handler
    async with client.ws_connect("/v1/realtime?model=x", protocols=("other", "realtime")) as socket:
        assert socket.protocol == "realtime"
        await socket.send_str("hello")
        assert await socket.receive_str(timeout=5) == "hello " + "*" * len(SECRET)
        await socket.send_bytes(b"x" * 1_000_000)
        assert await socket.receive_bytes(timeout=5) == b"x" * 1_000_000
        await socket.send_str("bye")
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE and socket.close_code == 4001
    assert heads[0]["x-api-key"] == SECRET and vault.token not in repr(heads)
    await asyncio.sleep(0.1)
    row = vault.audit()[-1]
    assert (row["action"], row["status"], row["outcome"]) == ("response", 101, "complete")
    assert row["sent_bytes"] == 1_000_008


@pytest.mark.attack(id="HTTP-8")
async def test_a_redirected_handshake_leaks_nothing(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    paths = []

    async def handler(request: web.Request) -> web.StreamResponse:
        paths.append(request.path)
        return web.Response(
            status=302, headers={"Location": f"{provider.url.replace('127.0.0.1', 'localhost')}/stolen"}
        )

    provider.handler = handler
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await client.ws_connect("/v1/realtime")
    assert caught.value.status == 502 and paths == ["/v1/realtime"]


async def test_a_client_that_leaves_closes_the_upstream(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    closed = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("ready")
        async for _ in socket:
            pass
        closed.set_result(socket.close_code)
        return socket

    provider.handler = handler
    socket = await client.ws_connect("/x")
    assert await socket.receive_str(timeout=5) == "ready"
    socket._response.connection.transport.abort()
    assert await asyncio.wait_for(closed, 5) is not None
    await socket.close()


@pytest.mark.attack(id="TOK-1")
@pytest.mark.parametrize("how", ["revoked", "locked"])
async def test_an_open_websocket_ends_with_its_token(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(access, "FRESH_SECONDS", 0.0)
    heard = []

    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            heard.append(message.data)
            await socket.send_str("yes")
        return socket

    provider.handler = handler
    async with client.ws_connect("/v1/realtime") as socket:
        await socket.send_str("before")
        assert await socket.receive_str(timeout=5) == "yes"
        if how == "revoked":
            vault.db.revoke_tokens(CONTAINER)
        else:
            vault.wiring.passphrase_file.unlink()
        await socket.send_str("after")
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE and socket.close_code == 1008
    async with asyncio.timeout(20):
        while vault.audit()[-1]["action"] != "response":
            await asyncio.sleep(0.01)
    assert heard == ["before"]
    assert vault.audit()[-1]["outcome"] == ("unknown_token" if how == "revoked" else "vault_unavailable")
