"""The server with real requests, and one real program behind it."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, CookieJar, WSMsgType, WSServerHandshakeError
from terok.tui.web.admission import Address
from terok.tui.web.server import LONGEST_MESSAGE, Server

SIZE = '["hello",100,30]'


class Browser:
    """A browser as far as the server sees one: cookies, and the origin of its page."""

    def __init__(self, server, session):
        self.server, self.http, self.key = server, session, ""

    async def enter(self, token, **headers):
        async with self.http.post("/enter", data=token, headers={"Origin": self.origin, **headers}) as answer:
            text = await answer.text()
            if answer.status == 200:
                self.key = text
            return answer

    @property
    def origin(self):
        return self.server._address.origin

    async def open(self, key=None, **headers):
        words = (f"terok.{self.key if key is None else key}",)
        return await self.http.ws_connect("/lines", protocols=words, headers={"Origin": self.origin, **headers})

    async def refused(self, *values, **headers):
        with pytest.raises(WSServerHandshakeError) as caught:
            await self.open(*values, **headers)
        return caught.value.status


@asynccontextmanager
async def browser(server):
    async with ClientSession(server._address.origin, cookie_jar=CookieJar(unsafe=True)) as session:
        yield Browser(server, session)


async def said(server, head):
    """Return the answer to a request as it is written, which a client would put in order."""
    reader, writer = await asyncio.open_connection(*server._address)
    writer.write(head.encode())
    try:
        return await reader.read()
    finally:
        writer.close()


@pytest.fixture
async def server(root):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Server(Address(*listener.getsockname()), lambda: None)
        async with made.serving(listener):
            yield made


async def lines(page, text):
    """Read from a page until a line has a text."""
    while True:
        message = await page.receive(timeout=60)
        assert message.type is WSMsgType.TEXT, message
        if text in message.data:
            return json.loads(message.data)


async def test_a_link_lets_one_browser_in_and_no_other(server):
    token = server.browsers.link()
    async with browser(server) as one, browser(server) as two:
        answer = await one.enter(token)
        cookie = answer.headers["Set-Cookie"]
        assert answer.status == 200 and {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        assert (await two.enter(token)).status == 403
        assert await two.refused() == 401
        two.key = one.key
        assert await two.refused() == 401, "the key without the cookie"
        assert await one.refused("x") == 401, "the cookie without the key"
        assert (await two.enter("")).status == 403
        assert (await two.enter("x" * 300)).status == 413


async def test_pages_of_other_sites_and_other_names_reach_nothing(server):
    token = server.browsers.link()
    async with browser(server) as one:
        for headers in (
            {"Origin": "http://evil.example.org"},
            {"Host": "evil.example.org"},
            {"Sec-Fetch-Site": "same-site"},
        ):
            assert (await one.enter(token, **headers)).status == 403
        assert (await one.enter(token)).status == 200, "and the link is not used up by them"
        for headers in ({"Origin": "http://127.0.0.1:1"}, {"Host": "evil.example.org"}, {"Origin": "null"}):
            assert await one.refused(**headers) == 403
        async with one.http.get("/", headers={"Host": "evil.example.org"}) as answer:
            assert answer.status == 403


async def test_nothing_is_served_but_three_files_which_load_nothing_foreign(server):
    async with browser(server) as one:
        for path in ("/", "/page.js", "/page.css"):
            async with one.http.get(path) as answer:
                text = await answer.text()
                assert answer.status == 200 and "default-src 'none'" in answer.headers["Content-Security-Policy"]
                assert "http" not in text.replace("http-equiv", "")
    for path in (
        "/../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
        "/page.js/../server.py",
        "/server.py",
        "/%2e%2e/",
    ):
        head = f"GET {path} HTTP/1.1\r\nHost: {one.origin[7:]}\r\nOrigin: {one.origin}\r\nConnection: close\r\n\r\n"
        assert (await said(server, head)).startswith(b"HTTP/1.1 404 "), path


async def test_a_page_shows_the_program_follows_to_another_tab_and_ends(server):
    async with browser(server) as one:
        await one.enter(server.browsers.link())
        first = await one.open()
        await first.send_str(SIZE)
        found = await lines(first, "terok")
        assert found[0] == "lines"
        second = await one.open()
        assert (await lines(first, '"end"'))[1].startswith("It was opened in another")
        await second.send_str(SIZE)
        kind, changes = await lines(second, "terok")
        assert (kind, len(changes)) == ("lines", 30), "a page that is new sees everything"
        await second.send_str('["key","?",""]')
        await lines(second, "On this screen")
        await second.send_str('["key","l","c"]')
        assert await lines(second, '"new"') == ["new"], "it has begun again, for the same page"
        await second.send_str(SIZE)
        await lines(second, '"terok",5')
        await second.send_str('["key","q",""]')
        assert await lines(second, '"end"') == ["end", "terok was left."]
        assert (await second.receive(timeout=30)).type is WSMsgType.CLOSE


async def test_a_message_that_is_too_long_closes_the_page(server):
    async with browser(server) as one:
        await one.enter(server.browsers.link())
        page = await one.open()
        await page.send_str('["paste","' + "x" * LONGEST_MESSAGE + '"]')
        while (message := await page.receive(timeout=60)).type is WSMsgType.TEXT:
            pass
        assert message.type is WSMsgType.CLOSE and message.data == 1009


async def test_a_forgotten_browser_needs_another_link(server, monkeypatch):
    async with browser(server) as one:
        await one.enter(server.browsers.link())
        monkeypatch.setattr("terok.tui.web.program.FORGOTTEN", 0.2)
        page = await one.open()
        await page.send_str(SIZE)
        assert (await lines(page, '"end"'))[1].startswith("Nobody has used it")
        assert await one.refused() == 401


async def test_there_are_few_browsers(server, monkeypatch):
    monkeypatch.setattr(server.browsers, "_most", 1)
    async with browser(server) as one, browser(server) as two:
        await one.enter(server.browsers.link())
        page = await one.open()
        token = server.browsers.link()
        assert (await two.enter(token)).status == 503
        await page.close()
