"""What comes from inside: odd, slow, large and broken-off requests, and real clients."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from terok_util.process import run_async

from .conftest import SECRET, Provider, Vault


async def test_large_bodies_stream_both_ways(vault: Vault, client: aiohttp.ClientSession, provider: Provider) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        framing.append((request.headers.get("Content-Length"), request.headers.get("Transfer-Encoding")))
        response = web.StreamResponse()
        await response.prepare(request)
        async for piece in request.content.iter_any():
            await response.write(piece)
        return response

    async def chunks():
        for _ in range(40):
            yield block

    framing: list[object] = []
    block = hashlib.sha256(b"x").digest() * 4096
    provider.handler = handler
    for data in (chunks(), io.BytesIO(block * 40)):
        async with client.post("/echo", data=data) as response:
            assert hashlib.sha256(await response.read()).digest() == hashlib.sha256(block * 40).digest()
    assert framing == [(None, "chunked"), (str(len(block) * 40), None)]
    assert vault.audit()[-1]["sent_bytes"] == vault.audit()[-1]["bytes"] == len(block) * 40


async def test_encoded_request_bodies_are_not_touched(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    packed = gzip.compress(b"hello" * 100)
    async with client.post("/x", data=packed, headers={"Content-Encoding": "gzip"}) as response:
        assert (await response.json())["ok"]
    assert provider.requests[0][3] in (packed, b"hello" * 100) and provider.requests[0][2]["Content-Encoding"] == "gzip"


async def test_an_upload_that_breaks_off_is_not_completed(vault: Vault, provider: Provider) -> None:
    outcome = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            outcome.set_result(len(await request.read()))
        except BaseException as exc:
            outcome.set_result(exc)
            raise
        return web.Response()

    provider.handler = handler
    _, writer = await asyncio.open_connection("127.0.0.1", vault.port)
    head = f"POST /x HTTP/1.1\r\nHost: a\r\nx-api-key: {vault.token}\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode() + b"5\r\nhello\r\n")
    await writer.drain()
    await asyncio.sleep(0.2)
    writer.close()
    assert isinstance(await asyncio.wait_for(outcome, 5), BaseException)


async def test_a_client_that_leaves_ends_the_upstream_request(vault: Vault, provider: Provider) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        started.set()
        try:
            while True:
                await response.write(b"tick\n")
                await asyncio.sleep(0.02)
        finally:
            ended.set()

    provider.handler = handler
    _, writer = await asyncio.open_connection("127.0.0.1", vault.port)
    writer.write(f"GET /x HTTP/1.1\r\nHost: a\r\nx-api-key: {vault.token}\r\n\r\n".encode())
    await asyncio.wait_for(started.wait(), 5)
    writer.close()
    await asyncio.wait_for(ended.wait(), 5)
    assert vault.audit()[-1]["outcome"] == "client_left"


async def test_a_dead_kept_connection_is_replaced_for_idempotent_requests_only(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    calls = []

    async def handler(request: web.Request) -> web.StreamResponse:
        calls.append(request.method)
        if len(calls) in (2, 5):
            request.transport.abort()
        return web.Response(text="ok")

    provider.handler = handler
    for method, status in (("GET", 200), ("GET", 200), ("GET", 200), ("POST", 502)):
        async with client.request(method, "/x", data=b"{}" if method == "POST" else None) as response:
            assert response.status == status
    assert calls == ["GET", "GET", "GET", "GET", "POST"]


@pytest.mark.attack(id="HTTP-4")
@pytest.mark.parametrize(
    "head",
    [b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n",
     b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n",
     b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n",
     b"GET /x HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n",
     b"GET /x HTTP/1.1\nHost: a\n",
     b"GET /x HTTP/1.1\r\n",
     b"CONNECT evil.com:443 HTTP/1.1\r\nHost: evil.com:443\r\n",
     b"TRACE /x HTTP/1.1\r\nHost: a\r\n",
     b"GET http://evil.com/x HTTP/1.1\r\nHost: a\r\n",
     b"GET /x HTTP/2.0\r\nHost: a\r\n",
     b"\x16\x03\x01\x02\x00\x01",
     b"get /x HTTP/1.1\r\nHost: a\r\n",
     b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: a\r\n",
     b"GET /x HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 10000,
     b"GET /x HTTP/1.1\r\nHost: a\r\nX: " + "é".encode() + b"\r\n",
     b"GET /../x HTTP/1.1\r\nHost: a\r\n"],
)  # fmt: skip
async def test_odd_requests_are_refused_and_end_the_connection(vault: Vault, provider: Provider, head: bytes) -> None:
    token = f"x-api-key: {vault.token}\r\n".encode()
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n" + token + b"\r\n"
    answer = await vault.raw(head + token + b"\r\n" + smuggled)
    assert answer.startswith(b"HTTP/1.") and answer.split()[1][:1] == b"4", answer[:200]
    assert vault.token.encode() not in answer
    assert not provider.requests, "neither the odd request nor what came behind it was forwarded"


async def test_many_headers_and_slow_heads_from_inside(
    vault: Vault, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = b"GET /x HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(10_000)) + b"\r\n"
    assert b"headers_too_large" in await vault.raw(many)
    monkeypatch.setattr("terok_sandbox.vault.proxy.HEAD_SECONDS", 0.1)
    monkeypatch.setattr("terok_sandbox.vault.proxy.IDLE_SECONDS", 0.1)
    assert b"head_timeout" in await vault.raw(b"GET /x HTTP/1.1\r\nHo")
    assert await vault.raw(b"") == b"", "an unused connection is closed without a word"
    assert [row["reason"] for row in vault.audit()] == ["headers_too_large", "head_timeout"]


async def test_clients_that_prefer_http2_fall_back_or_are_told_clearly(vault: Vault, provider: Provider) -> None:
    async def curl(option: str) -> tuple[int | None, str]:
        words = ("curl", "-sSv", "-m", "20", option, "-H", f"x-api-key: {vault.token}", f"{vault.url}/v1/x")
        done = await run_async(words, timeout=30, check=False)
        return done.returncode, f"{done.stdout}\n{done.stderr}"

    code, text = await curl("--http2")
    assert code == 0 and "HTTP/1.1 200 OK" in text and '"ok": true' in text
    ((_, _, headers, _),) = provider.requests
    assert not {"Upgrade", "HTTP2-Settings"} & set(headers)
    code, text = await curl("--http2-prior-knowledge")
    assert code and "GOAWAY, error=13" in text, text
    frames = await vault.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
    assert frames.startswith(bytes([0, 0, 0, 4])) and frames.endswith(b"\x0dthe vault speaks HTTP/1.1 only")
    assert len(provider.requests) == 1 and vault.audit()[-1]["reason"] == "http2_refused"


async def test_a_body_that_stalls(vault: Vault, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terok_sandbox.vault.proxy.BODY_STALL_SECONDS", 0.1)
    head = f"POST /x HTTP/1.1\r\nHost: a\r\nx-api-key: {vault.token}\r\nContent-Length: 500000\r\n\r\nhello"
    assert b"body_timeout" in await vault.raw(head.encode())
    assert vault.audit()[-1]["outcome"] == "body_timeout"


async def test_a_large_stream_takes_bounded_memory(vault: Vault, provider: Provider) -> None:
    """A client that reads slowly holds the upstream back; neither side's body is kept."""
    block, total, sent = bytes(1 << 20), 200, 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"Content-Length": str(total << 20)})
        await response.prepare(request)
        for _ in range(total):
            await response.write(block)
            sent += 1
        return response

    provider.handler = handler
    reader, writer = await asyncio.open_connection("127.0.0.1", vault.port)
    writer.write(f"GET /x HTTP/1.1\r\nHost: a\r\nx-api-key: {vault.token}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(0.5)
    # Kernel buffers take some, the proxy a few hundred KiB.
    assert sent < 40
    got = 0
    while got < total << 20:
        got += len(await reader.read(1 << 20))
    assert got == total << 20 and sent == total
    writer.close()


async def test_expect_continue_is_answered(vault: Vault, provider: Provider) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", vault.port)
    head = (
        f"POST /x HTTP/1.1\r\nHost: a\r\nx-api-key: {vault.token}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    )
    writer.write(head.encode())
    assert (await asyncio.wait_for(reader.readline(), 5)) == b"HTTP/1.1 100 Continue\r\n"
    writer.write(b"hello")
    await reader.readline()
    assert (await asyncio.wait_for(reader.readline(), 5)) == b"HTTP/1.1 200 OK\r\n"
    writer.close()
    assert provider.requests[0][3] == b"hello"


async def test_curl(vault: Vault, provider: Provider, tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(b"x" * 2_000_000)
    auth = ["-u", f"oauth2:{vault.token}"]
    for arguments in (
        ["-T", str(upload)],
        ["--data-binary", f"@{upload}"],
        ["-H", "Transfer-Encoding: chunked", "-d", "y"],
    ):
        done = await run_async(["curl", "-sS", "--max-time", "20", *auth, *arguments, f"{vault.url}/a%2Fb"], timeout=30)
        assert json.loads(done.stdout)["ok"]
    assert {path for _, path, _, _ in provider.requests} == {"/a%2Fb"}
    assert [len(body) for *_, body in provider.requests] == [2_000_000, 2_000_000, 1]
    assert all(
        headers["x-api-key"] == SECRET and "Authorization" not in headers for _, _, headers, _ in provider.requests
    )
