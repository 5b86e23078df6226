"""The server of pages: three files, the door that a link opens, and a web socket for each page."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from typing import Final, cast

from aiohttp import WSMsgType, web
from aiohttp.typedefs import Handler
from terok_util.door import Door, Protocols

from terok.tui.web.admission import PROTOCOL, Address, cookie, key, refusal
from terok.tui.web.browsers import Browser, Browsers
from terok.tui.web.page import Page
from terok.tui.web.program import FORGOTTEN, Program

MOST_CONNECTIONS: Final = 64
LONGEST_MESSAGE: Final = 64 * 1024
"""Bytes of one message from a page; a longer one closes its web socket."""
_LONGEST_BODY: Final = 256
_HEARTBEAT: Final = 60.0
_FILES: Final = {
    "/": ("page.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
}
"""Everything that is served as a file; there is no path to one."""
_USED: Final = "This link was used, or another one was made after it. Press Enter where `terok tui --web` runs.\n"
_FULL: Final = "Too many browsers have terok open: leave it in one of them.\n"


class Server:
    """Serves the terminal interface to browsers; `used` is called whenever a link was."""

    def __init__(self, address: Address, used: Callable[[], object]) -> None:
        self.browsers: Browsers[Program] = Browsers(Program)
        self._address, self._used = address, used
        place = files("terok.tui.web")
        self._files = {path: (place.joinpath(name).read_bytes(), kind) for path, (name, kind) in _FILES.items()}
        self._protocols = Protocols(self._protocol)
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)

    def _protocol(self) -> asyncio.Protocol:
        return cast("web.Server", self._runner.server)()

    @asynccontextmanager
    async def serving(self, listener: socket.socket) -> AsyncIterator[None]:
        """Serve during the block; at its end every program ends."""
        await self._runner.setup()
        door = Door("terok tui --web", MOST_CONNECTIONS)
        door.open(listener, self._protocols.enter)
        try:
            yield
        finally:
            door.close()
            await asyncio.gather(*(program.end("The server was ended.") for program in self.browsers.programs))
            await door.close_connections(1.0)
            await self._runner.cleanup()

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=_LONGEST_BODY, middlewares=[self._guarded])
        app.router.add_post("/enter", self._enter)
        app.router.add_get("/lines", self._lines)
        for path in _FILES:
            app.router.add_get(path, self._file)
        return app

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        acts = request.path not in _FILES
        if reason := refusal(self._address, headers, acts=acts):
            return self._dressed(web.Response(status=403, text=f"{reason}\n"))
        try:
            with self._protocols.occupied(request.protocol):
                answer: web.StreamResponse = await handler(request)
        except web.HTTPException as error:
            answer = web.Response(status=error.status, text=f"{error.reason}\n")
        return answer if answer.prepared else self._dressed(answer)

    def _dressed(self, answer: web.StreamResponse) -> web.StreamResponse:
        """Have the browser load nothing but what is ours, show it in no other page, and keep nothing."""
        sockets = " ".join(origin.replace("http", "ws", 1) for origin in sorted(self._address.origins))
        answer.headers.update({
            "Content-Security-Policy": (
                f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' {sockets}; "
                "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ),
            "Cache-Control": "no-store",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        })  # fmt: skip
        return answer

    async def _file(self, request: web.Request) -> web.Response:
        body, kind = self._files[request.path]
        return web.Response(body=body, content_type=kind, charset="utf-8")

    async def _enter(self, request: web.Request) -> web.Response:
        """Let a browser in that has the token of the link: it gets a cookie, and a key for its pages."""
        if not self.browsers.right(await request.text()):
            return web.Response(status=403, text=_USED)
        browser = self.browsers.enter()
        if browser is None:
            return web.Response(status=503, text=_FULL)
        self._used()
        answer = web.Response(text=browser.key)
        answer.set_cookie(
            self._address.cookie, browser.cookie, httponly=True, samesite="Strict", max_age=int(FORGOTTEN)
        )
        return answer

    async def _lines(self, request: web.Request) -> web.StreamResponse:
        """Serve a page's web socket: lines of JSON in both directions."""
        browser = self._browser(request)
        if browser is None:
            return web.Response(status=401, text="Open the link that `terok tui --web` has printed.\n")
        outlet = web.WebSocketResponse(
            protocols=(PROTOCOL + browser.key,),
            max_msg_size=LONGEST_MESSAGE,
            heartbeat=_HEARTBEAT,
            compress=False,
        )
        await outlet.prepare(request)
        page = Page()
        browser.program.show(page)
        saying = asyncio.create_task(_say(page, outlet))
        try:
            async for message in outlet:
                if message.type is WSMsgType.TEXT:
                    await browser.program.hear(message.data)
        finally:
            browser.program.leave(page)
            saying.cancel()
        return outlet

    def _browser(self, request: web.Request) -> Browser[Program] | None:
        return self.browsers.known(
            cookie(request.headers.get("Cookie", ""), self._address.cookie),
            key(request.headers.get("Sec-WebSocket-Protocol", "")),
        )


async def _say(page: Page, outlet: web.WebSocketResponse) -> None:
    with suppress(ConnectionError):
        async for line in page.lines():
            await outlet.send_str(line)
        await outlet.close()
