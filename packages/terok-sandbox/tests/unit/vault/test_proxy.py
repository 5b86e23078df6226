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
from terok_sandbox.vault import access
from terok_sandbox.vault.tokens import mint
from terok_util.process import run_async

from .conftest import CONTAINER, SECRET, Provider, Vault


async def error(response: aiohttp.ClientResponse) -> str:
    document = json.loads(await response.read())
    assert document["error"]["type"] == "terok_vault" and document["error"]["message"]
    return document["error"]["code"]


async def test_a_request_goes_out_with_the_real_key(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    async with client.post("/v1/messages?beta=true", json={"a": 1}, headers={"User-Agent": "agent/1"}) as response:
        assert response.status == 200 and await response.json() == {"ok": True, "size": 8}
    method, path, headers, body = provider.requests[0]
    assert (method, path, json.loads(body)) == ("POST", "/v1/messages?beta=true", {"a": 1})
    assert headers["x-api-key"] == SECRET and headers["User-Agent"] == "agent/1"
    assert headers["Host"] in provider.url and headers["Accept-Encoding"] == "gzip, deflate"
    assert vault.token not in repr(provider.requests)


async def test_the_audit_row_is_there_before_the_upstream_is_dialed(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    seen = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.extend(vault.audit())
        return web.Response(text="hello")

    provider.handler = handler
    async with client.get("/v1/models?secret-query=1") as response:
        await response.read()
    assert [(row["action"], row["path"], row["verdict"]) for row in seen] == [("request", "/v1/models", "released")]
    await asyncio.sleep(0.05)
    first, second = vault.audit()
    assert second["action"] == "response" and second["status"] == 200 and second["bytes"] == 5
    assert second["request"] == first["request"] and first["token_id"] == vault.db.list_tokens()[0].token_id
    text = vault.wiring.audit_path.read_text()
    assert SECRET not in text and vault.token not in text and "secret-query" not in text


async def test_nothing_is_released_without_its_audit_row(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    vault.wiring.audit_path.mkdir()
    async with client.get("/v1/x") as response:
        assert response.status == 503 and await error(response) == "audit_unavailable"
    assert not provider.requests


@pytest.mark.attack(id="TOK-1")
async def test_another_container_s_token_is_refused_and_audited(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    stolen = vault.db.create_token("elsewhere", "stub")
    async with client.get("/v1/x", headers={"x-api-key": stolen}) as response:
        assert response.status == 403 and await error(response) == "foreign_token"
    assert not provider.requests
    row = vault.audit()[-1]
    assert (row["verdict"], row["reason"]) == ("refused", "foreign_token")
    assert row["token_id"] in {token.token_id for token in vault.db.list_tokens("elsewhere")}


async def test_tokens_that_do_not_work(vault: Vault, client: aiohttp.ClientSession, provider: Provider) -> None:
    other = vault.db.create_token(CONTAINER, "absent")
    keyless = vault.db.create_token(CONTAINER, "stub", "empty")
    cases = [({"x-api-key": mint()}, 401, "unknown_token"), ({"x-api-key": ""}, 401, "missing_token"),
             ({"x-api-key": other}, 404, "no_route"), ({"x-api-key": keyless}, 502, "credential_missing"),
             ({"Authorization": f"Bearer {other}"}, 400, "ambiguous_token")]  # fmt: skip
    for headers, status, code in cases:
        async with client.get("/v1/x", headers=headers) as response:
            assert (response.status, await error(response)) == (status, code)
    async with client.get(f"/v1/x?t={vault.token}", headers={"x-api-key": ""}) as response:
        assert (response.status, await error(response)) == (403, "token_in_url")
    assert not provider.requests


async def test_changes_take_effect_with_the_next_request(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "FRESH_SECONDS", 0.0)

    async def status() -> tuple[int, str]:
        async with client.get("/v1/x") as response:
            return response.status, "" if response.status == 200 else await error(response)

    assert await status() == (200, "")
    vault.db.store_credential("default", "stub", {"key": "another-real-secret"})
    assert await status() == (200, "") and provider.requests[-1][2]["x-api-key"] == "another-real-secret"
    vault.wiring.routes_path.write_text("{broken")
    assert await status() == (503, "routes_unusable")
    vault.routes(stub={"upstream": provider.url})
    assert await status() == (200, "") and provider.requests[-1][2]["Authorization"] == "Bearer another-real-secret"
    vault.wiring.passphrase_file.unlink()
    assert await status() == (503, "vault_unavailable"), "locking the vault locks running containers out"
    vault.wiring.passphrase_file.write_text("wrong")
    vault.wiring.passphrase_file.chmod(0o600)
    assert await status() == (503, "vault_unavailable")
    vault.wiring.passphrase_file.write_text(vault.passphrase)
    assert await status() == (200, "")
    vault.db.revoke_tokens(CONTAINER)
    assert await status() == (401, "unknown_token")


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
@pytest.mark.parametrize("form", ["small", "chunked", "large", "gzip", "br"])
async def test_a_reflecting_upstream_gives_nothing_away(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider, form: str
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        echo = json.dumps(dict(request.headers)).encode()
        body = b"x" * 200_000 + echo if form == "large" else echo
        if form in ("gzip", "br"):
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
        if form in ("br", "gzip"):
            code = {"br": b"unreadable_encoding", "gzip": b"reflected_secret"}[form]
            assert response.status == 502 and code in body and b"sk-the" not in body
            return
        assert response.status == 200 and "Content-Encoding" not in response.headers
        assert ("Content-Length" in response.headers) == (form in ("small", "large"))
    assert SECRET.encode() not in body and b"*" * len(SECRET) in body
    assert b"Range" not in body
    json.loads(body.lstrip(b"x"))


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


async def test_head_and_not_modified_keep_their_length(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/304":
            return web.Response(status=304, headers={"ETag": '"a"'})
        return web.Response(body=b"x" * 100, headers={"Content-Encoding": "br"})

    provider.handler = handler
    async with client.head("/x") as response:
        assert response.status == 200 and response.headers["Content-Length"] == "100"
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
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await reader.read()
        gone.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    vault.routes(stub={"upstream": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"})
    answer = await vault.raw(f"GET /x HTTP/1.1\r\nHost: a\r\nx-api-key: {vault.token}\r\n\r\n".encode())
    assert (b"hello" in answer and not answer.endswith(b"0\r\n\r\n")) if begun else b"upstream_timeout" in answer
    async with asyncio.timeout(20):
        await gone.wait()
    assert vault.audit()[-1]["outcome"] == "upstream_timeout"
    server.close()


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


async def test_routes_limit_what_is_asked_and_where_the_token_stands(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    vault.routes(stub={"upstream": provider.url, "rules": ["registry-read"], "token_in": ["bearer", "x-own-token"]})
    bearer, bare = {"Authorization": f"Bearer {vault.token}", "x-api-key": ""}, {"x-api-key": ""}
    cases = [("GET", bearer, 200, ""), ("POST", bearer, 403, "rule_refused"), ("GET", {}, 403, "token_misplaced"),
             ("GET", {**bare, "X-Own-Token": vault.token}, 200, ""),
             ("GET", {**bare, "X-Other-Token": vault.token}, 401, "missing_token")]  # fmt: skip
    for method, headers, status, code in cases:
        async with client.request(method, "/x", headers=headers) as response:
            assert (response.status, "" if status == 200 else await error(response)) == (status, code), headers
    assert [row["reason"] for row in vault.audit() if row.get("verdict") == "refused"] == [
        "rule_refused", "token_misplaced", "missing_token"]  # fmt: skip
    assert len(provider.requests) == 2 and vault.token not in repr(provider.requests)


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


async def test_health(vault: Vault, client: aiohttp.ClientSession) -> None:
    async with client.get("/-/health", headers={"x-api-key": ""}) as response:
        assert response.status == 200 and await response.json() == {"status": "ok", "container": CONTAINER}
    vault.wiring.passphrase_file.unlink()
    async with client.get("/-/health") as response:
        assert response.status == 503 and SECRET.encode() not in await response.read()


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
