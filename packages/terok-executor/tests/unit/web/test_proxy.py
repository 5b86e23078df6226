"""The page's server with a real server behind a real Unix socket."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from terok_executor.errors import ExecutorError
from terok_executor.web.guard import Guard
from terok_executor.web.proxy import MAX_CONNECTIONS, open_socket, serving

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
    descriptor = open_socket(path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        async with (
            serving(listener, Guard(port, token=TOKEN), descriptor),
            aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client,
        ):
            yield f"http://127.0.0.1:{port}", client
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


def test_a_crowd_that_says_nothing_keeps_nobody_out(tmp_path: Path) -> None:
    """ACC-1: the seats of the page's server are bounded, and go to those who ask for something with the token."""

    async def body(url: str, client: aiohttp.ClientSession) -> None:
        async with client.ws_connect(f"{url}/?token={TOKEN}") as working:
            address = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
            crowd = [await asyncio.open_connection(*address) for _ in range(3 * MAX_CONNECTIONS)]
            assert await asyncio.wait_for(crowd[0][0].read(), 10) == b"", "given up for a newcomer"
            async with client.get(url + "/") as serving:
                assert serving.status == 200
            await working.send_str("still here")
            assert (await working.receive()).data == "STILL HERE"
            for _, writer in crowd:
                writer.close()

    with_page(tmp_path / "web.sock", body)
