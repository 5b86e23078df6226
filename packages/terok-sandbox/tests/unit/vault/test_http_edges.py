"""Where HTTP leaves room for two opinions: what the proxy does there, as docs/security/vault-proxy.md says."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from terok_sandbox.http1.stream import Deadlines, Stream
from terok_sandbox.vault.worker import Server

from .conftest import Provider, Vault, error

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def asked(vault: Vault, line: str, *fields: str) -> bytes:
    return "\r\n".join([line, "Host: a", f"x-api-key: {vault.token}", *fields, "\r\n"]).encode()


@asynccontextmanager
async def upstream(
    vault: Vault, serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
) -> AsyncIterator[None]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    vault.routes(stub={"upstream": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "header": "x-api-key"})
    yield
    server.close()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST", "PATCH"])
@pytest.mark.parametrize("begun", [b"HTTP/1.1 200 OK\r\nX: ", b"H", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_a_request_whose_answer_has_begun_is_not_sent_again(
    vault: Vault, client: aiohttp.ClientSession, method: str, begun: bytes
) -> None:
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(begun)

    async with upstream(vault, serve):
        async with client.get("/first") as response:
            assert response.status == 200
        async with client.request(method, "/second") as response:
            assert (response.status, await error(response)) == (502, "upstream_broken_body")
    assert [head.split()[1] for head in heads] == [b"/first", b"/second"]


@pytest.mark.attack(id="HTTP-4")
async def test_http_1_0_has_neither_transfer_encoding_nor_interim_answers(vault: Vault, provider: Provider) -> None:
    answer = await vault.raw(asked(vault, "POST /x HTTP/1.0", "Transfer-Encoding: chunked") + b"1\r\na\r\n0\r\n\r\n")
    assert b"400" in answer.split(b"\r\n")[0] and b"malformed_request" in answer and not provider.requests
    answer = await vault.raw(asked(vault, "POST /x HTTP/1.0", "Expect: 100-continue", "Content-Length: 1") + b"a")
    assert answer.startswith(b"HTTP/1.1 200 OK") and provider.requests[0][3] == b"a"


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
async def test_an_answer_that_breaks_off_ends_with_a_reset(vault: Vault, version: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell\n\r\n")

    async with upstream(vault, serve):
        reader, writer = await asyncio.open_connection("127.0.0.1", vault.port)
        writer.write(asked(vault, f"GET /x {version}"))
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 20)
        writer.close()


async def test_an_empty_line_before_a_request_is_skipped_and_no_more(vault: Vault, provider: Provider) -> None:
    request = asked(vault, "GET /x HTTP/1.1")
    last = asked(vault, "GET /x HTTP/1.1", "Connection: close")
    answers = await vault.raw(b"\r\n" + request + b"\r\n" + last)
    assert answers.count(b"HTTP/1.1 200 OK") == 2 == len(provider.requests)
    for odd in (b"\r\n\r\n", b"\n", b"\r", b" \r\n"):
        assert b"malformed_request" in await vault.raw(odd + request)
    assert len(provider.requests) == 2


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
async def test_events_leave_at_once_however_the_listener_was_made(tmp_path, family: socket.AddressFamily) -> None:
    """A listener made with protocol 0 loses TCP_NODELAY: each event then waits 40 ms for the one before."""
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0) if family == socket.AF_INET else str(tmp_path / "s"))
    served: list[int] = []

    async def handler(stream: Stream) -> None:
        if family == socket.AF_INET:
            held = stream.transport.get_extra_info("socket")
            served.append(held.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        stream.write(b"hello")
        stream.close()

    deadlines = Deadlines()
    server = Server(handler, deadlines)
    listener.listen()
    server.listen(listener)
    where = listener.getsockname()
    open_one = asyncio.open_unix_connection(where) if isinstance(where, str) else asyncio.open_connection(*where)
    reader, writer = await open_one
    assert await reader.read() == b"hello"
    writer.close()
    assert served == ([] if family == socket.AF_UNIX else [1])
    await server.shutdown(0.1)
    listener.close()
    deadlines.stop()


async def test_a_body_that_is_not_in_its_encoding_is_said_to_be_unreadable(
    vault: Vault, client: aiohttp.ClientSession, provider: Provider
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=bodies[request.path], headers={"Content-Encoding": "gzip"})

    packed = gzip.compress(b"hello " * 100)
    bodies = {"/text": b"not gzip at all", "/behind": packed + b"garbage", "/changed": packed[:20] + b"\xff" * 20}
    provider.handler = handler
    for path in bodies:
        async with client.get(path) as response:
            assert (response.status, await error(response)) == (502, "unreadable_encoding"), path
        assert vault.audit()[-1]["outcome"] == "unreadable_encoding"


@pytest.mark.attack(id="TOK-2")
async def test_the_token_in_a_url_is_found_behind_three_layers_of_escapes(vault: Vault, provider: Provider) -> None:
    written = vault.token
    for layer in range(4):
        for target in (f"/x/{written}", f"/x?a={written}"):
            for request in (
                asked(vault, f"GET {target} HTTP/1.1"),
                f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
            ):
                assert b"token_in_url" in await vault.raw(request), layer
        written = "".join(f"%{ord(sign):02x}" for sign in written) if layer == 0 else written.replace("%", "%25")
    assert not provider.requests


@pytest.mark.parametrize("how", ["bad chunk", "stall"])
async def test_an_upload_that_goes_wrong_is_refused_and_never_completed(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """By then the head has been sent: the provider sees a request without an end."""
    monkeypatch.setattr("terok_sandbox.vault.proxy.BODY_STALL_SECONDS", 0.1)
    came, all_of_it = asyncio.Event(), b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal all_of_it
        all_of_it = await reader.readuntil(b"hello\r\n")
        came.set()
        all_of_it += await reader.read()

    async with upstream(vault, serve):
        reader, writer = await asyncio.open_connection("127.0.0.1", vault.port)
        writer.write(asked(vault, "POST /x HTTP/1.1", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
        await asyncio.wait_for(came.wait(), 20)
        if how == "bad chunk":
            writer.write(b"zz\r\n")
        answer = await asyncio.wait_for(reader.read(), 20)
        writer.close()
    code = "malformed_request" if how == "bad chunk" else "body_timeout"
    assert code.encode() in answer and vault.audit()[-1]["outcome"] == code
    assert all_of_it.endswith(b"5\r\nhello\r\n")


async def test_options_has_no_target_but_a_path(vault: Vault, provider: Provider) -> None:
    assert b"malformed_request" in await vault.raw(asked(vault, "OPTIONS * HTTP/1.1"))
    assert b"200 OK" in await vault.raw(asked(vault, "OPTIONS / HTTP/1.1", "Connection: close"))
    assert [request[:2] for request in provider.requests] == [("OPTIONS", "/")]


async def test_a_client_that_ends_its_side_is_taken_for_gone(vault: Vault) -> None:
    asked_for, left = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked_for.set()
        assert await reader.read() == b""
        left.set()

    async with upstream(vault, serve):
        reader, writer = await asyncio.open_connection("127.0.0.1", vault.port)
        writer.write(asked(vault, "GET /x HTTP/1.1"))
        await asyncio.wait_for(asked_for.wait(), 20)
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()
        await asyncio.wait_for(left.wait(), 20)
    assert vault.audit()[-1]["outcome"] == "client_left"


async def test_the_same_token_in_two_places_that_accept_it_is_one_token(vault: Vault, provider: Provider) -> None:
    twice = asked(vault, "GET /x HTTP/1.1", f"Authorization: Bearer {vault.token}", "Connection: close")
    assert b"200 OK" in await vault.raw(twice)
    ((_, _, headers, _),) = provider.requests
    assert vault.token not in repr(headers)
    assert b"token_misplaced" in await vault.raw(asked(vault, "GET /x HTTP/1.1", f"X-Other: {vault.token}"))
