"""The proxy asks meter and credentials when and as it says."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from terok_sandbox.http1.stream import Deadlines
from terok_sandbox.vault.access import Credential, VaultAccess
from terok_sandbox.vault.proxy import VaultProxy
from terok_sandbox.vault.refusal import VaultRefusal
from terok_sandbox.vault.routes import Route
from terok_sandbox.vault.scrub import Patterns
from terok_sandbox.vault.worker import Server

from .conftest import CONTAINER, SECRET, Provider, Vault

FRESH = "fresh-access-token-0123456789"


@dataclass
class Recorder:
    """A meter, its observer, and a source of credentials that notes what it is told."""

    told: list[tuple[Any, ...]] = field(default_factory=list)
    budget: VaultRefusal | None = None
    credential: VaultRefusal | None = None
    broken: bool = False
    room: int | None = None
    asked: bytes = b""
    held_back: VaultRefusal | None = None

    def admit(self, route: Route, method: str, path: str, *, ongoing: bool = False) -> VaultRefusal | None:
        self.told.append(("admit", route.provider))
        observed = sum(item[0] == "observe" for item in self.told) - ongoing
        if self.room is not None and observed >= self.room:
            return VaultRefusal(429, "budget_spent", "spent")
        return self.budget

    def observe(self, route: Route, method: str, path: str, billing: str) -> Recorder:
        self.told.append(("observe", method, path))
        return self

    def ask(self, data: bytes, *, last: bool) -> VaultRefusal | None:
        self.asked += data
        return self.held_back if last else None

    def move(self, size: int) -> VaultRefusal | None:
        return None

    def overrun(self, route: Route) -> VaultRefusal | None:
        return None

    async def hold(self, refusal: VaultRefusal, since: float) -> VaultRefusal | None:
        return refusal

    def refused(self, number: str, provider: str, method: str, path: str, refusal: VaultRefusal) -> None:
        self.told.append(("refused", refusal.reason))

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        if self.broken:
            raise RuntimeError("meter")
        self.told.append(("begin", status, headers.get("content-type")))

    def feed(self, data: bytes) -> None:
        self.told.append(("feed", data))

    def end(self, sent: int, received: int, outcome: str) -> None:
        self.told.append(("end", sent, received, outcome))

    async def current(self, provider: str, credential_set: str) -> Credential | VaultRefusal | None:
        await asyncio.sleep(0.01)
        if self.credential:
            return self.credential
        return Credential({"type": "oauth", "access_token": FRESH}, Patterns([FRESH]))

    def rejected(self, provider: str, credential_set: str, credential: Credential) -> None:
        self.told.append(("rejected", provider, credential_set, credential.data["access_token"]))


@pytest.fixture
async def hooked(files: Vault, provider: Provider) -> AsyncIterator[tuple[aiohttp.ClientSession, Recorder]]:
    files.routes(stub={"upstream": provider.url})
    recorder, deadlines = Recorder(), Deadlines()
    proxy = VaultProxy(VaultAccess(files.wiring), deadlines, container=CONTAINER, audit_path=files.wiring.audit_path,
                       meter=recorder, credentials=recorder)  # fmt: skip
    server = Server(proxy.serve, deadlines)
    listener = socket.create_server(("127.0.0.1", 0))
    server.listen(listener)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with aiohttp.ClientSession(url, headers={"x-api-key": files.token}) as session:
        yield session, recorder
    await server.shutdown(0.1)
    listener.close()
    await proxy.close()
    deadlines.stop()
    files.db.close()


Hooked = tuple[aiohttp.ClientSession, Recorder]


@pytest.mark.parametrize("encoding", [None, "gzip"])
async def test_an_exchange_is_observed(hooked: Hooked, provider: Provider, encoding: str | None) -> None:
    client, recorder = hooked

    async def handler(request: web.Request) -> web.StreamResponse:
        provider.requests.append((request.method, request.path, dict(request.headers), b""))
        response = web.Response(text="hello", status=401)
        if encoding:
            response.enable_compression(web.ContentCoding.gzip)
        return response

    provider.handler = handler
    async with client.post("/v1/x?q=1", data=b"abc") as response:
        assert await response.read() == b"hello"
    assert provider.requests[0][2]["Authorization"] == f"Bearer {FRESH}"
    await asyncio.sleep(0.05)
    kinds = [item[0] for item in recorder.told]
    assert kinds == ["admit", "observe", "rejected", "begin", "feed", "end"]
    assert recorder.told[1] == ("observe", "POST", "/v1/x") and recorder.told[2][-1] == FRESH
    assert recorder.told[3][1] == 401 and recorder.told[4] == ("feed", b"hello")
    assert recorder.told[5][1] == 3 and recorder.told[5][3] == "complete" and recorder.asked == b"abc"


async def test_refusals_of_the_hooks_are_answered_as_they_are(hooked: Hooked, provider: Provider) -> None:
    client, recorder = hooked
    document = {"type": "error", "error": {"type": "rate_limit_error", "message": "the budget is spent"}}
    recorder.budget = VaultRefusal(429, "budget_spent", "spent", document=document, headers=(("Retry-After", "60"),))
    async with client.post("/v1/x", data=b"abc") as response:
        assert response.status == 429 and await response.json() == document and response.headers["Retry-After"] == "60"
    recorder.budget, recorder.credential = None, VaultRefusal(401, "sign_in_again", "expired", "run `terok auth stub`")
    async with client.post("/v1/x", data=b"abc") as response:
        assert response.status == 401 and (await response.json())["hint"] == "run `terok auth stub`"
    told = [item for item in recorder.told if item[0] != "admit"]
    assert not provider.requests and told == [("refused", "budget_spent"), ("refused", "sign_in_again")]


async def test_a_meter_that_fails_does_not_stop_the_exchange(hooked: Hooked, provider: Provider) -> None:
    client, recorder = hooked
    recorder.broken = True
    async with client.get("/v1/x") as response:
        assert response.status == 200 and (await response.json())["ok"]
    async with asyncio.timeout(20):
        while recorder.told[-1][0] != "end":  # it learns that the exchange is over
            await asyncio.sleep(0.01)
    assert SECRET not in repr(recorder.told)


@pytest.mark.attack(id="HTTP-11")
async def test_requests_that_waited_together_for_a_credential_are_admitted_one_by_one(
    hooked: Hooked, provider: Provider
) -> None:
    client, recorder = hooked
    recorder.room = 1

    async def status() -> int:
        async with client.post("/v1/messages", data=b"{}") as response:
            return response.status

    assert sorted(await asyncio.gather(*(status() for _ in range(6)))) == [200, 429, 429, 429, 429, 429]
    assert len(provider.requests) == 1


async def test_the_messages_of_a_websocket_are_shown_whole_and_asked_for_one_by_one(
    hooked: Hooked, provider: Provider
) -> None:
    client, recorder = hooked
    answer = json.dumps({"type": "response.completed", "filling": "x" * 300_000})

    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for _ in socket:
            await socket.send_str(answer)
            await socket.send_str("y" * 2_000_000)
        return socket

    provider.handler = handler
    recorder.room = 1
    async with client.ws_connect("/v1/responses", max_msg_size=0) as socket:
        for _ in range(2):
            await socket.send_str("go")
            assert (
                await socket.receive_str(timeout=5) == answer and len(await socket.receive_str(timeout=5)) == 2_000_000
            )
        recorder.budget = VaultRefusal(429, "budget_spent", "spent")
        await socket.send_str("go")
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE and socket.close_code == 1008
    fed = [item[1] for item in recorder.told if item[0] == "feed"]
    assert fed == [answer.encode()] * 2


@pytest.mark.attack(id="BUD-1")
@pytest.mark.parametrize("size", [10, 300_000])
async def test_the_last_piece_of_a_request_may_be_held_back(hooked: Hooked, provider: Provider, size: int) -> None:
    client, recorder = hooked
    arrived = []

    async def handler(request: web.Request) -> web.StreamResponse:
        arrived.append(await request.read())
        return web.Response()

    provider.handler = handler
    recorder.held_back = VaultRefusal(429, "budget_spent", "spent")
    async with client.post("/v1/messages", data=b"x" * size) as response:
        assert response.status == 429
    assert recorder.asked == b"x" * size and not arrived
