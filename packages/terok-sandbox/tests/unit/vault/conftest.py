"""A vault with one credential, a provider on the loopback, and the proxy between them: all real but the model."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from terok_sandbox.audit import read_audit
from terok_sandbox.http1.stream import Deadlines
from terok_sandbox.sidecar import UsageWiring, VaultWiring
from terok_sandbox.values.facts import Fact
from terok_sandbox.values.limits import NO_LIMITS, Limits, OnLimit
from terok_sandbox.values.posture import LIVE_FILE
from terok_sandbox.vault.access import Quarantine, VaultAccess
from terok_sandbox.vault.connection import generate_passphrase
from terok_sandbox.vault.proxy import VaultProxy
from terok_sandbox.vault.store import CredentialDB
from terok_sandbox.vault.usage.meter import UsageMeter
from terok_sandbox.vault.worker import Server

from .shop import Bill, Open, Shop

SECRET = "sk-the-real-secret-0123456789/abc"
CONTAINER = "box"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Provider:
    """A provider's server: `handler` answers, `requests` is what arrived."""

    url: str = ""
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    handler: Handler | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.handler is not None:
            return await self.handler(request)
        body = b"".join([piece async for piece in request.content.iter_any()])
        self.requests.append((request.method, request.raw_path, dict(request.headers), body))
        return web.json_response({"ok": True, "size": len(body)})


@dataclass
class Vault:
    """A running proxy and the files behind it."""

    wiring: VaultWiring
    db: CredentialDB
    token: str
    passphrase: str
    url: str = ""

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def routes(self, **routes: object) -> None:
        self.wiring.routes_path.write_text(json.dumps(routes))

    def audit(self) -> list[dict[str, object]]:
        return list(read_audit(self.wiring.audit_path))

    async def raw(self, data: bytes) -> bytes:
        """Send bytes and return everything that comes back until the connection ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        try:
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()


async def error(response: aiohttp.ClientResponse) -> str:
    document = json.loads(await response.read())
    assert document["error"]["type"] == "terok_vault" and document["error"]["message"]
    return document["error"]["code"]


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    it = Provider()
    server = web.Server(it.answer)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    it.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield it
    await runner.cleanup()


@pytest.fixture
def files(tmp_path: Path) -> Vault:
    """The vault's files, without a proxy."""
    passphrase = generate_passphrase()
    session = tmp_path / "session"
    session.write_text(passphrase)
    session.chmod(0o600)
    wiring = VaultWiring(tmp_path / "c.db", tmp_path / "routes.json", tmp_path / "audit.jsonl", session)
    db = CredentialDB(wiring.db_path, passphrase, create=True)
    db.store_credential("default", "stub", {"type": "api_key", "key": SECRET})
    return Vault(wiring, db, db.create_token(CONTAINER, "stub"), passphrase)


@pytest.fixture
async def vault(files: Vault, provider: Provider) -> AsyncIterator[Vault]:
    files.routes(stub={"upstream": provider.url, "header": "x-api-key"})
    quarantine = Quarantine(files.wiring.audit_path.with_name(LIVE_FILE))
    deadlines = Deadlines(closed=lambda: quarantine.refusal() is not None)
    proxy = VaultProxy(
        VaultAccess(files.wiring, quarantine), deadlines, container=CONTAINER, audit_path=files.wiring.audit_path
    )
    server = Server(proxy.serve, deadlines)
    listener = socket.create_server(("127.0.0.1", 0))
    server.listen(listener)
    files.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    yield files
    await server.shutdown(0.1)
    listener.close()
    await proxy.close()
    deadlines.stop()
    files.db.close()


@pytest.fixture
async def client(vault: Vault) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        vault.url, headers={"x-api-key": vault.token}, auto_decompress=False, timeout=aiohttp.ClientTimeout(total=20)
    ) as session:
        yield session


@pytest.fixture
async def shop(files: Vault, provider: Provider) -> AsyncIterator[Open]:
    closing: list[Any] = []

    async def opened(
        limits: Limits, *, on_limit: OnLimit = "refuse", project: Limits = NO_LIMITS, **routes: Any
    ) -> Shop:
        files.routes(stub={"upstream": provider.url, "header": "x-api-key", **routes})
        journal, told = files.wiring.audit_path.with_name("usage.jsonl"), list[Fact]()
        usage = UsageWiring(journal, "task", time.time(), None, limits, project, on_limit)
        deadlines, meter, bill = Deadlines(), UsageMeter(usage, CONTAINER, tell=told.append), Bill()
        provider.handler = bill.answer
        proxy = VaultProxy(VaultAccess(files.wiring), deadlines, container=CONTAINER,
                           audit_path=files.wiring.audit_path, meter=meter)  # fmt: skip
        server = Server(proxy.serve, deadlines)
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        server.listen(listener)
        files.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = aiohttp.ClientSession(
            files.url, headers={"x-api-key": files.token}, connector=aiohttp.TCPConnector(limit=0)
        )

        async def close() -> None:
            bill.go_on.set()
            await client.close()
            await server.shutdown(0.1)
            listener.close()
            await proxy.close()
            meter.close()
            deadlines.stop()
            files.db.close()

        closing.append(close)
        return Shop(files, bill, usage, client, meter, told, deadlines)

    yield opened
    for close in closing:
        await close()
