"""The page's server on the host: passes requests that the guard admits to the socket the container serves on."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, cast

from aiohttp import ClientConnectionError, ClientSession, ClientTimeout, UnixConnector, WSMsgType, web
from multidict import CIMultiDict
from terok_util.door import Door, Protocols

from terok_executor.errors import ExecutorError
from terok_executor.web.guard import COOKIE_PREFIX, Guard, without_token, without_tokens

MAX_CONNECTIONS: Final = 128
_CLIENT = web.AppKey("client", ClientSession)
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "content-length"}
)
_UNKNOWN = "This page needs its token: open the address that terok-executor printed.\n"


def open_socket(path: Path) -> int:
    """Return a descriptor of the container's socket; ExecutorError if it is anything else.

    The container may write into the directory: a link there must not lead us to a socket of the host.
    """
    try:
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise ExecutorError(f"the container serves no page: {error.strerror}") from None
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ExecutorError("the container serves no page: its socket has been replaced by another file")
    return descriptor


@asynccontextmanager
async def serving(listener: socket.socket, guard: Guard, descriptor: int) -> AsyncIterator[None]:
    """Serve on `listener` during the block; `descriptor` is the container's socket."""

    def made() -> asyncio.Protocol:
        return cast("web.Server", runner.server)()

    connections = Protocols(made)
    runner = web.AppRunner(application(guard, descriptor, connections), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    door = Door("page", MAX_CONNECTIONS)
    door.open(listener, connections.enter)
    try:
        yield
    finally:
        door.close()
        await runner.cleanup()


def application(guard: Guard, descriptor: int, connections: Protocols) -> web.Application:
    """Return the server's application; `descriptor` is the container's socket."""

    async def session(_app: web.Application) -> object:
        connector = UnixConnector(path=f"/proc/self/fd/{descriptor}", limit=64)
        timeout = ClientTimeout(total=None, sock_connect=10)
        async with ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as client:
            app[_CLIENT] = client
            yield

    async def handle(request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        admission = guard.admit(request.method, request.raw_path, headers)
        if admission == "unknown":
            return web.Response(status=401, text=_UNKNOWN)
        if admission == "foreign":
            return web.Response(status=403, text="This request comes from another site.\n")
        if admission == "enter":
            return _enter(guard, request)
        try:
            with connections.occupied(request.protocol):
                if headers.get("upgrade", "").lower() == "websocket":
                    return await _websocket(request, app[_CLIENT])
                return await _forward(request, app[_CLIENT])
        except (ClientConnectionError, TimeoutError):
            return web.Response(status=502, text="The page in the container does not answer.\n")

    app = web.Application(client_max_size=0)
    app.cleanup_ctx.append(session)  # type: ignore[arg-type]
    app.router.add_route("*", "/{path:.*}", handle)
    return app


def _enter(guard: Guard, request: web.Request) -> web.Response:
    response = web.Response(status=303, headers={"Location": without_token(request.raw_path)})
    response.set_cookie(
        guard.cookie, guard.token, httponly=True, samesite="Strict", secure=guard.origin.startswith("https:")
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _request_headers(request: web.Request) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in request.headers.items():
        kept = without_tokens(value) if name.lower() == "cookie" else value
        if kept and name.lower() not in HOP_BY_HOP and not name.lower().startswith("sec-websocket-"):
            headers.add(name, kept)
    return headers


async def _forward(request: web.Request, client: ClientSession) -> web.StreamResponse:
    body = request.content if request.body_exists else None
    url = f"http://page{request.raw_path}"
    async with client.request(
        request.method, url, headers=_request_headers(request), data=body, allow_redirects=False
    ) as answer:
        response = web.StreamResponse(status=answer.status, reason=answer.reason)
        for name, value in answer.headers.items():
            ours = name.lower() == "set-cookie" and value.lstrip().startswith(COOKIE_PREFIX)
            if name.lower() not in HOP_BY_HOP and not ours:
                response.headers.add(name, value)
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


async def _websocket(request: web.Request, client: ClientSession) -> web.StreamResponse:
    offered = [word.strip() for word in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if word.strip()]
    url = f"http://page{request.raw_path}"
    async with client.ws_connect(url, headers=_request_headers(request), protocols=offered, max_msg_size=0) as inner:
        outer = web.WebSocketResponse(protocols=[inner.protocol] if inner.protocol else (), max_msg_size=0)
        await outer.prepare(request)
        pumps = [asyncio.create_task(_pump(outer, inner)), asyncio.create_task(_pump(inner, outer))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            with suppress(ConnectionError):
                await outer.close()
        return outer


async def _pump(source: object, sink: object) -> None:
    async for message in source:  # type: ignore[attr-defined]
        if message.type is WSMsgType.TEXT:
            await sink.send_str(message.data)  # type: ignore[attr-defined]
        elif message.type is WSMsgType.BINARY:
            await sink.send_bytes(message.data)  # type: ignore[attr-defined]
