"""BUD-1: what the provider bills is what the ledger says, however an exchange ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from terok_sandbox.values.facts import ModelCall, UsageFact
from terok_sandbox.values.limits import Limits
from terok_sandbox.vault.usage.journal import UsageJournal, read_rows, read_usage
from terok_sandbox.vault.usage.rows import NANO, put_together

from .conftest import CONTAINER, Provider
from .shop import BODY, IN, Open, Shop, asking, until


async def leave(shop: Shop, body: Any = BODY) -> int:
    """Ask, and hang up before the head of the answer; return the status if there is one all the same."""
    asking = asyncio.create_task(shop.client.post("/v1/messages", json=body))
    reached = asyncio.create_task(shop.bill.reached.wait())
    await asyncio.wait((asking, reached), return_when=asyncio.FIRST_COMPLETED)
    reached.cancel()
    if asking.done():
        async with asking.result() as answer:
            return answer.status
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    shop.bill.reached.clear()
    await shop.settled()
    return 0


@pytest.mark.attack(id="BUD-1")
async def test_a_client_that_leaves_before_the_head_pays_in_full(shop: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terok_sandbox.vault.worker.HEAR_SECONDS", 0.01)
    it = await shop(Limits(cost_usd=0.30))
    it.bill.how = "silent"
    left = 0
    while await leave(it) == 0:
        left += 1
        assert left < 20, "nothing stops requests that nobody waits for"
    assert it.bill.nano <= it.ledger(), "BUD-1: the ledger says less than the bill"
    assert it.bill.nano < 0.30 * NANO + 0.12 * NANO, "more than one request beyond the limit"


@pytest.mark.attack(id="BUD-1")
@pytest.mark.parametrize("how", ["complete", "wordless", "stream", "left", "cut"])
async def test_the_ledger_is_the_bill(shop: Open, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terok_sandbox.vault.worker.HEAR_SECONDS", 0.01)
    it = await shop(Limits())
    it.bill.how = {"left": "stream", "cut": "stream"}.get(how, how)
    if how != "left":
        it.bill.go_on.set()
    for _ in range(3):
        async with it.client.post("/v1/messages", json=BODY) as answer:
            assert answer.status == 200
            if how != "left":
                await answer.read()
            else:
                await answer.content.readany()
                answer.close()
    await it.settled()
    if how in ("complete", "stream", "cut"):
        assert it.ledger() == it.bill.nano, "BUD-1: the ledger is not the bill"
    else:
        assert it.ledger() > 3 * 1000 * IN * 1000, "what is not said is assumed, never 0"


@pytest.mark.attack(id="BUD-1")
@pytest.mark.parametrize("how", ["silent", "stream"])
async def test_an_answer_is_heard_out_when_its_client_has_left(shop: Open, how: str) -> None:
    it = await shop(Limits())
    it.bill.how = how
    asking = asyncio.create_task(it.client.post("/v1/messages", json=BODY))
    await it.bill.reached.wait()
    if how == "stream":
        answer = await asking
        await answer.content.readany()
        answer.close()
    else:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    await until(lambda: len(it.deadlines.streams) == 1)  # that of the provider
    calls = [(fact.state, fact.outcome) for fact in it.told if isinstance(fact, ModelCall)]
    assert calls == [("begun", ""), ("ended", "client_left")], "nobody works at it any more"
    it.bill.how = "complete"
    it.bill.go_on.set()
    await it.settled()
    (row,) = read_usage(it.usage.journal)
    assert row["cost_nano"] == it.bill.nano and "estimated" not in row, "BUD-1: the ledger is not the bill"
    assert (row["status"], row["outcome"], row["aborted"]) == (200, "client_left", 1)
    assert row["audit"] == it.vault.audit()[-1]["request"] and row["credential_set"] == "default"
    assert len([fact for fact in it.told if isinstance(fact, ModelCall)]) == len(calls), "told once"


@pytest.mark.attack(id="BUD-1")
async def test_what_is_heard_out_ends_when_its_token_is_revoked(shop: Open) -> None:
    it = await shop(Limits())
    it.bill.how = "stream"
    async with it.client.post("/v1/messages", json=BODY) as answer:
        await answer.content.readany()
        answer.close()
    await until(lambda: len(it.deadlines.streams) == 1)  # that of the provider
    it.vault.db.revoke_tokens(CONTAINER)
    await it.settled()
    assert it.vault.audit()[-1]["outcome"] == "unknown_token"


@pytest.mark.attack(id="BUD-1")
@pytest.mark.parametrize("chunked", [False, True])
async def test_fifty_requests_at_once_exceed_a_budget_by_one_at_most(shop: Open, chunked: bool) -> None:
    it = await shop(Limits(cost_usd=0.30))
    it.bill.how = "silent"
    body = json.dumps({**BODY, "filling": "y" * 300_000 if chunked else ""}).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 50_000):
            yield body[start : start + 50_000]
            await asyncio.sleep(0)

    async def ask() -> int:
        async with it.client.post("/v1/messages", data=pieces() if chunked else body) as answer:
            return answer.status

    asking = [asyncio.create_task(ask()) for _ in range(50)]
    async with asyncio.timeout(20):
        while sum(task.done() for task in asking) + it.bill.seen < 50:
            await asyncio.sleep(0.01)
    it.bill.go_on.set()
    it.bill.how = "complete"
    statuses = await asyncio.gather(*asking)
    assert set(statuses) == {200, 429} and statuses.count(200) == it.bill.seen
    await it.settled()
    assert it.ledger() == it.bill.nano <= 0.30 * NANO + 0.105 * NANO
    assert it.meter.in_flight == it.meter.moved == it.meter.held == 0


@pytest.mark.attack(id="BUD-1")
async def test_a_broker_that_dies_takes_no_cost_with_it(shop: Open) -> None:
    it = await shop(Limits(cost_usd=0.05))
    it.bill.how = "silent"
    asking = asyncio.create_task(it.client.post("/v1/messages", json=BODY))
    await it.bill.reached.wait()
    journal = UsageJournal(it.usage.journal, "task")
    journal.refresh("task")
    assert journal.used["task"].cost >= it.bill.nano, "what the dead broker had released counts as used"
    journal.close()
    asking.cancel()


@pytest.mark.attack(id="BUD-1")
@pytest.mark.parametrize("way", ["up", "down", "ping", "empty"])
async def test_a_limit_of_bytes_ends_what_is_under_way(shop: Open, provider: Provider, way: str) -> None:
    limit = 300_000 if way in ("up", "down") else 20_000
    it = await shop(Limits(bytes=limit))
    passed = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal passed
        if way == "down":
            stream = web.StreamResponse()
            await stream.prepare(request)
            while True:
                await stream.write(b"x" * 10_000)
                passed += 10_000
        if way == "up":
            async for piece in request.content.iter_any():
                passed += len(piece)
            return web.Response()
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        async for message in socket:
            passed += len(message.data) + 2
        return socket

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 10_000

    provider.handler = handler
    async with asyncio.timeout(30):
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            if way == "down":
                async with it.client.get("/large") as answer:
                    await answer.read()
            elif way == "up":
                async with it.client.post("/upload", data=endless()) as answer:
                    assert answer.status == 429
                    raise ConnectionResetError
            else:
                async with it.client.ws_connect("/socket", autoping=False) as socket:
                    while not socket.closed:
                        await (socket.ping(b"p" * 100) if way == "ping" else socket.send_bytes(b""))
                        await asyncio.sleep(0)
        await it.settled()
    assert it.vault.audit()[-1]["outcome"] == "budget_exceeded"
    sent, received = (it.vault.audit()[-1][key] for key in ("sent_bytes", "bytes"))
    assert limit <= sent + received < limit + 4 * 1024 * 1024


@pytest.mark.attack(id="BUD-1")
@pytest.mark.parametrize("way", ["wait", "socket"])
async def test_a_limit_of_time_ends_what_is_under_way(shop: Open, provider: Provider, way: str) -> None:
    it = await shop(Limits(wall_seconds=1.0))

    async def handler(request: web.Request) -> web.StreamResponse:
        if way == "wait":
            await it.bill.go_on.wait()
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for _ in socket:
            pass
        return socket

    provider.handler = handler
    async with asyncio.timeout(20):
        if way == "wait":
            async with it.client.get("/slow") as answer:
                assert answer.status == 429 and "seconds have passed" in await answer.text()
        else:
            async with it.client.ws_connect("/socket") as socket:
                assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE and socket.close_code == 1008
        await it.settled()
    assert it.vault.audit()[-1]["outcome"] == "budget_exceeded"


@pytest.mark.attack(id="BUD-1")
async def test_what_cannot_be_priced_is_refused_under_a_limit_of_cost_only(shop: Open, provider: Provider) -> None:
    it = await shop(Limits(cost_usd=1.0))

    async def status(path: str, body: Any) -> int:
        async with it.client.post(path, json=body) as answer:
            if answer.status == 403:
                assert (await answer.json())["error"]["code"] == "unpriced_request"
            return answer.status

    it.bill.how = "complete"
    assert await status("/v1/images/generations", BODY) == await status("/v1/messages/batches", BODY) == 403
    assert await status("/v1/responses", {**BODY, "background": True}) == 403
    assert await status("/v1/messages/count_tokens", BODY) == await status("/v1/messages", BODY) == 200
    it.vault.routes(stub={"upstream": provider.url, "header": "x-api-key", "billed": False})
    assert await status("/graphql", BODY) == 200


@pytest.mark.attack(id="BUD-1")
async def test_a_websocket_s_request_is_paid_for_when_its_client_leaves(shop: Open, provider: Provider) -> None:
    it = await shop(Limits(cost_usd=0.30))
    heard = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal heard
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for _ in socket:
            heard += 1
        return socket

    provider.handler = handler
    asked = {"type": "response.create", "model": "gpt-5", "max_output_tokens": 20_000, "input": "x" * 1000}
    for _ in range(6):
        try:
            async with it.client.ws_connect("/v1/responses") as socket:
                await socket.send_json(asked)
                await socket.send_json(asked)
                while not socket.closed and heard < 1:
                    await asyncio.sleep(0.01)
        except aiohttp.WSServerHandshakeError as exc:
            assert exc.status == 429
            break
        await it.settled()
    cost = heard * 20_000 * 10 * 1000
    assert 0 < cost <= it.ledger() and cost <= 0.30 * NANO + 0.21 * NANO, (heard, it.ledger())


async def test_the_feed_tells_calls_and_usage(shop: Open) -> None:
    it = await shop(Limits())
    it.bill.go_on.set()
    assert [await call for call in asking(it, 2)] == [200, 200]
    await it.settled()
    calls = [fact for fact in it.told if isinstance(fact, ModelCall)]
    assert [fact.state for fact in calls].count("begun") == 2
    ended = [fact for fact in calls if fact.over]
    assert [(fact.status, fact.outcome) for fact in ended] == [(200, "complete")] * 2
    rows = [row for row in read_rows(it.usage.journal) if "id" in row]
    assert {fact.id for fact in calls} == {f"{row['run']}-{row['id']}" for row in rows}, "named as in the journal"
    used = [fact for fact in it.told if isinstance(fact, UsageFact)][-1]
    assert (used.requests, used.tokens, used.cost_known) == (2, 2 * 5000, True)
    assert used.cost_usd == pytest.approx(it.bill.nano / NANO) and used.plan_usd == 0
    assert {row["billing"] for row in rows} == {"metered"}
    it.vault.db.set_billing("default", "stub", "plan")
    assert [await call for call in asking(it, 1)] == [200]
    await it.settled()
    used = [fact for fact in it.told if isinstance(fact, UsageFact)][-1]
    assert used.plan_usd == pytest.approx(used.cost_usd / 3)
    billing = [row["billing"] for row in read_rows(it.usage.journal)]
    assert billing == ["metered"] * 4 + ["plan"] * 2
    kept = put_together(read_rows(it.usage.journal))
    assert {row["billing"]: row["requests"] for row in kept} == {"metered": 2, "plan": 1}
