"""What comes from a provider: secrets in it, redirects, events, and answers that are none."""

from __future__ import annotations

import asyncio
import gzip
import json

import aiohttp
import pytest
from aiohttp import web
from terok_sandbox.vault import access

from .conftest import CONTAINER, SECRET, Provider, Vault, error


@pytest.mark.attack(id="HTTP-8")
async def test_redirects_are_passed_on_not_followed(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        provider.requests.append((request.method, request.path, dict(request.headers), b""))
        return web.Response(status=307, headers={"Location": targets[request.path]})

    targets = {"/a": "https://elsewhere.example/x", "/b": f"{provider.url}/y?z=1", "/c": f"{provider.url}evil.com/"}
    provider.handler = handler
    for path, location in (("/a", targets["/a"]), ("/b", "/y?z=1"), ("/c", targets["/c"])):
        async with client.get(path, allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (307, location)
    assert len(provider.requests) == 3


@pytest.mark.attack(id="HTTP-12")
async def test_response_headers_that_steer_or_authenticate_are_dropped(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        headers = {"Alt-Svc": 'h3=":443"', "Set-Cookie": "a=b", "X-Keep": "1", "X-Echo": f"<{SECRET}>",
                   "Connection": "X-Hop", "X-Hop": "1", "Refresh": "0; url=https://x"}  # fmt: skip
        return web.Response(status=418, reason=SECRET, headers=headers)

    provider.handler = handler
    async with client.get("/x") as response:
        assert response.status == 418 and response.reason == "I'm a Teapot" and response.headers["X-Keep"] == "1"
        assert response.headers["X-Echo"] == f"<{'*' * len(SECRET)}>"
        assert not {"Alt-Svc", "Set-Cookie", "X-Hop", "Refresh"} & set(response.headers)


@pytest.mark.attack(id="HTTP-6")
@pytest.mark.parametrize("form", ["small", "chunked", "large", "gzip", "br", "zstd"])
async def test_a_reflecting_upstream_gives_nothing_away(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider, form: str
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        echo = json.dumps(dict(request.headers)).encode()
        body = b"x" * 200_000 + echo if form == "large" else echo
        if form in ("gzip", "br", "zstd"):
            body = gzip.compress(body)
            return web.Response(body=body, headers={"Content-Encoding": form})
        if form != "chunked":
            return web.Response(body=body)
        response = web.StreamResponse()
        await response.prepare(request)
        for byte in body:
            await response.write(bytes([byte]))
        return response

    provider.handler = handler
    async with client.get("/echo", headers={"Range": "bytes=0-9"}) as response:
        body = await response.read()
        if form in ("br", "zstd", "gzip"):
            code = b"reflected_secret" if form == "gzip" else b"unreadable_encoding"
            assert response.status == 502 and code in body and b"sk-the" not in body
            return
        assert response.status == 200 and "Content-Encoding" not in response.headers
        assert ("Content-Length" in response.headers) == (form in ("small", "large"))
    assert SECRET.encode() not in body and b"*" * len(SECRET) in body
    assert b"Range" not in body
    json.loads(body.lstrip(b"x"))


@pytest.mark.parametrize("field", ["refresh_token", "id_token"])
@pytest.mark.parametrize("secret", ["with blanks in it", "schlüssel-0123456789", "x" * 8193])
async def test_a_secret_that_cannot_be_found_is_not_used(
    vault: Vault,
    client: aiohttp.ClientSession,
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
    field: str,
    secret: str,
) -> None:
    monkeypatch.setattr(access, "FRESH_SECONDS", 0.0)
    vault.db.store_credential("default", "other", {"type": "oauth", "access_token": "x" * 20, field: secret})
    async with client.get("/x") as response:
        assert response.status == 200
    vault.db.create_token(CONTAINER, "other")
    async with client.get("/x") as response:
        assert (response.status, await error(response)) == (502, "credential_unusable")
    assert len(provider.requests) == 1


async def test_events_pass_as_they_come(vault: Vault, client: aiohttp.ClientSession, provider: Provider) -> None:
    gate = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(3):
            await response.write(f"data: {number}\n\n".encode())
            await gate.wait()
            gate.clear()
        return response

    provider.handler = handler
    async with client.post("/v1/stream", data=b"{}") as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        for number in range(3):
            assert await asyncio.wait_for(response.content.readany(), 5) == f"data: {number}\n\n".encode()
            gate.set()
        assert await response.content.read() == b""


async def test_head_and_not_modified_keep_their_length(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/304":
            return web.Response(status=304, headers={"ETag": '"a"'})
        coding = {"Content-Encoding": "br"} if request.path == "/coded" else {}
        return web.Response(body=b"x" * 100, headers=coding)

    provider.handler = handler
    async with client.head("/x") as response:
        assert response.status == 200 and response.headers["Content-Length"] == "100"
    # How far a text can be compressed depends on what is repeated in it.
    async with client.head("/coded") as response:
        assert response.status == 200 and "Content-Length" not in response.headers
    async with client.get("/304") as response:
        assert response.status == 304 and response.headers["ETag"] == '"a"'


async def test_an_answer_that_breaks_off_is_not_ended_cleanly(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
        await asyncio.sleep(0.05)
        request.transport.abort()
        return response

    provider.handler = handler
    with pytest.raises(aiohttp.ClientError):
        async with client.get("/x") as response:
            assert response.status == 200
            await response.read()
    assert vault.audit()[-1]["outcome"] in ("upstream_broken_body", "upstream_unreachable")


async def test_upstream_failures_have_a_short_class(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider, unused_tcp_port: int
) -> None:
    async def hang_up(request: web.Request) -> web.StreamResponse:
        request.transport.abort()
        return web.Response()

    provider.handler = hang_up
    cases = {
        f"http://127.0.0.1:{unused_tcp_port}": "upstream_refused",
        "http://no-such-host.invalid": "upstream_name",
        provider.url.replace("http", "https"): "upstream_tls",
        provider.url: "upstream_closed",
    }
    for upstream, code in cases.items():
        vault.routes(stub={"upstream": upstream})
        async with client.post("/x", data=b"{}") as response:
            body = await response.read()
            assert (response.status, json.loads(body)["error"]["code"]) == (502, code), upstream
            assert SECRET.encode() not in body


@pytest.mark.parametrize(
    ("answer", "code"),
    [(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "upstream_malformed"),
     (b"SSH-2.0-OpenSSH\r\n\r\n", "upstream_malformed"), (b"HTTP/1.1 200 OK\r\nX: y", "upstream_broken_body"),
     (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "upstream_malformed"), (b"", "upstream_closed"),
     (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 30_000, "upstream_malformed"),
     (b"HTTP/1.1 100 Continue\r\n\r\n" * 20, "upstream_malformed")],
)  # fmt: skip
async def test_answers_that_are_not_http(vault: Vault, client: aiohttp.ClientSession, answer: bytes, code: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    vault.routes(stub={"upstream": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"})
    async with client.get("/x") as response:
        assert (response.status, await error(response)) == (502, code)
    server.close()


@pytest.mark.parametrize("begun", [False, True])
async def test_an_upstream_that_falls_silent(vault: Vault, monkeypatch: pytest.MonkeyPatch, begun: bool) -> None:
    monkeypatch.setattr("terok_sandbox.vault.upstream.SILENCE_SECONDS", 0.1)
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if begun:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello\n\r\n")
        await reader.read()
        gone.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    vault.routes(stub={"upstream": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"})
    reader, writer = await asyncio.open_connection("127.0.0.1", vault.port)
    writer.write(f"GET /x HTTP/1.1\r\nHost: a\r\nx-api-key: {vault.token}\r\n\r\n".encode())
    if begun:
        assert await reader.readuntil(b"hello\n\r\n")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 20)
    else:
        assert b"upstream_timeout" in await asyncio.wait_for(reader.read(), 20)
    writer.close()
    async with asyncio.timeout(20):
        await gone.wait()
    assert vault.audit()[-1]["outcome"] == "upstream_timeout"
    server.close()


async def test_what_comes_compressed_passes_as_it_came(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    packed = gzip.compress(b"words " * 50_000)

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=packed, headers={"Content-Encoding": "gzip", "ETag": '"a"'})

    provider.handler = handler
    async with client.get("/x") as response:
        assert response.headers["Content-Encoding"] == "gzip" and response.headers["Content-Length"] == str(len(packed))
        assert await response.read() == packed
