from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
import urllib.request
from pathlib import Path

import aiohttp
import pytest
import trustme
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st
from terok_sandbox.http1.stream import Deadlines
from terok_sandbox.vault.host_proxy import environment_proxy
from terok_sandbox.vault.reply import failure
from terok_sandbox.vault.swap import UpstreamRequest
from terok_sandbox.vault.upstream import UpstreamClient, endpoint
from terok_util.process import run_async

from .conftest import SECRET


def test_the_environment_s_proxy_is_used_but_not_for_the_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "NO_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert environment_proxy("https://api.example.com") == "http://proxy.example:3128"
    assert environment_proxy("http://api.example.com") is None
    assert environment_proxy("https://127.0.0.1:8443") is None and environment_proxy("https://localhost") is None
    monkeypatch.setenv("NO_PROXY", ".example.com")
    assert environment_proxy("https://api.example.com") is None


NO_PROXY = ["*", "", " ", ".", "example.com", ".example.com", "api.example.com:8443", " EXAMPLE.com ", "ample.com",
            "com", "10.0.0.1", "[2001:db8::1]", "2001:db8::1", ":8443"]  # fmt: skip
ORIGINS = ["https://example.com", "https://api.example.com", "https://api.example.com:8443", "https://10.0.0.1",
           "http://Example.COM", "https://[2001:db8::1]:8443", "http://other.example"]  # fmt: skip


@given(
    st.lists(st.sampled_from(NO_PROXY), max_size=3).map(",".join),
    st.sampled_from(ORIGINS),
    st.dictionaries(st.sampled_from(["https_proxy", "HTTPS_PROXY", "http_proxy"]), st.sampled_from(["", "http://p:1"])),
)
@example("[2001:db8::1]", "https://[2001:db8::1]:8443", {"https_proxy": "http://p:1"})
def test_the_environment_is_read_as_python_reads_it(direct: str, origin: str, proxies: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as environment:
        for name in ("http_proxy", "https_proxy", "no_proxy"):
            environment.delenv(name, raising=False)
            environment.delenv(name.upper(), raising=False)
        for name, value in (proxies | {"NO_PROXY": direct}).items():
            environment.setenv(name, value)
        scheme, _, netloc = origin.partition("://")
        direct_there = urllib.request.proxy_bypass_environment(netloc)
        expected = None if direct_there else urllib.request.getproxies_environment().get(scheme)
        assert environment_proxy(origin) == (expected or None)


def test_failures_quote_nothing() -> None:
    for exc in (aiohttp.ClientError(SECRET), OSError(5, SECRET), TimeoutError(SECRET), ValueError(SECRET)):
        refusal = failure(exc)
        assert refusal.status == 502 and refusal.reason.startswith("upstream_") and SECRET not in repr(refusal)


async def test_certificates_are_checked_against_the_host_s_store(tmp_path: Path) -> None:
    """A fresh interpreter each time: trust is loaded when it starts."""

    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(text="hello")

    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "localhost", 0, ssl_context=context)
    await site.start()
    url = f"https://localhost:{runner.addresses[0][1]}"
    results = {}
    for bundle in (tmp_path / "ca.pem", tmp_path / "none.pem"):
        environment = {"SSL_CERT_FILE": str(bundle), "SSL_CERT_DIR": str(tmp_path)}
        done = await run_async([sys.executable, "-c", _FETCH, url], timeout=30, env=environment)
        results[bundle.name] = done.stdout.decode().strip()
    await runner.cleanup()
    assert results == {"ca.pem": "200", "none.pem": "upstream_tls"}


_FETCH = """
import asyncio, sys
from terok_sandbox.vault.swap import UpstreamRequest
from terok_sandbox.vault.reply import failure
from terok_sandbox.vault.upstream import UpstreamClient
from terok_sandbox.http1.stream import Deadlines

async def main():
    deadlines = Deadlines()
    client = UpstreamClient(deadlines)
    try:
        answer = await client.send(UpstreamRequest("GET", "/", (), sys.argv[1], ""), None, None)
        print(answer.head.status)
        client.drop(answer)
    except Exception as exc:
        print(failure(exc).reason)
    client.close()
    deadlines.stop()

asyncio.run(main())
"""


async def test_what_a_proxy_says_before_tls_is_not_the_provider_s_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("vendor.example").configure_cert(theirs)
    authority.configure_trust(ours)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"

    async def forge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n" + more)
            await writer.start_tls(theirs)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer + b"honest")
            await writer.drain()
        writer.close()

    server, deadlines = await asyncio.start_server(forge, "127.0.0.1", 0), Deadlines()
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    monkeypatch.delenv("no_proxy", raising=False)
    client = UpstreamClient(deadlines)
    client._pool._tls = ours
    for more, expected in ((b"", "honest"), (answer + b"forged", "upstream_proxy")):  # noqa: B007 - the proxy says it
        endpoint.cache_clear()
        try:
            got = await client.send(UpstreamRequest("GET", "/", (), "https://vendor.example", ""), None, None)
            body = b"".join([piece async for piece in got.content()]).decode()
            client.drop(got)
        except OSError as exc:
            body = failure(exc).reason
        assert body == expected
    endpoint.cache_clear()
    client.close()
    deadlines.stop()
    server.close()
