"""The page's server with a real server behind a real Unix socket."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from terok_executor.errors import ExecutorError
from terok_executor.web.guard import Guard
from terok_executor.web.proxy import application, open_socket

TOKEN = "t" * 43


async def inner(request: web.Request) -> web.StreamResponse:
    if request.headers.get("Upgrade"):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data.upper())
        return socket
    if request.path == "/moved":
        raise web.HTTPFound("/elsewhere")
    body = await request.read()
    return web.json_response(
        {"path": request.raw_path, "cookie": request.headers.get("Cookie"), "bytes": len(body)},
        headers={"Set-Cookie": "terok_token_1=stolen", "X-Inner": "1"},
    )


@asynccontextmanager
async def page(path: Path) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{path:.*}", inner)
    inside = web.AppRunner(app)
    await inside.setup()
    await web.UnixSite(inside, str(path)).start()
    guard = Guard(0, token=TOKEN)
    holder = web.Application()
    outside = web.AppRunner(holder)
    descriptor = open_socket(path)
    await outside.setup()
    site = web.TCPSite(outside, "127.0.0.1", 0)
    await site.start()
    port = outside.addresses[0][1]
    await outside.cleanup()
    outside = web.AppRunner(application(Guard(port, token=guard.token), descriptor))
    await outside.setup()
    await web.TCPSite(outside, "127.0.0.1", port, reuse_address=True).start()
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as client:
        try:
            yield f"http://127.0.0.1:{port}", client
        finally:
            await outside.cleanup()
            await inside.cleanup()
            os.close(descriptor)


def with_page(path: Path, body: Callable[[str, aiohttp.ClientSession], Awaitable[None]]) -> None:
    async def run() -> None:
        async with page(path) as (url, client):
            await body(url, client)

    asyncio.run(asyncio.wait_for(run(), 60))


def test_requests_bodies_and_redirects_pass_and_tokens_do_not(tmp_path: Path) -> None:
    async def body(url: str, client: aiohttp.ClientSession) -> None:
        async with client.get(url + "/") as refused:
            assert refused.status == 401
        async with client.get(f"{url}/a?b=1&token={TOKEN}") as entered:
            seen = await entered.json()
            assert seen == {"path": "/a?b=1", "cookie": None, "bytes": 0}
            assert "Set-Cookie" not in entered.headers
            assert entered.headers["X-Inner"] == "1"
        async with client.post(url + "/up", data=b"x" * 1_000_000) as posted:
            assert (await posted.json())["bytes"] == 1_000_000
        async with client.get(url + "/moved", allow_redirects=False) as moved:
            assert (moved.status, moved.headers["Location"]) == (302, "/elsewhere")

    with_page(tmp_path / "s", body)


def test_web_sockets_pass_with_the_cookie_only(tmp_path: Path) -> None:
    async def body(url: str, client: aiohttp.ClientSession) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(url + "/ws")
        assert refused.value.status == 401
        async with client.get(f"{url}/?token={TOKEN}"):
            pass
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(url + "/ws", origin="http://127.0.0.1:1")
        assert refused.value.status == 403
        async with client.ws_connect(url + "/ws") as socket:
            await socket.send_str("hello")
            assert (await socket.receive(timeout=20)).data == "HELLO"

    with_page(tmp_path / "s", body)


def test_what_the_container_offers_has_to_be_a_socket(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("/run/somewhere.sock")
    for name in ("file", "link", "missing"):
        with pytest.raises(ExecutorError, match="serves no page"):
            open_socket(tmp_path / name)
