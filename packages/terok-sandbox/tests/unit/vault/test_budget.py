"""BUD-1: what the provider bills is what the ledger says, however an exchange ends."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from terok_sandbox.broker import BudgetOperation
from terok_sandbox.sidecar import UsageWiring
from terok_sandbox.values.facts import BudgetFact, Fact, ModelCall, UsageFact
from terok_sandbox.values.limits import NO_LIMITS, Limits, OnLimit
from terok_sandbox.vault.access import VaultAccess
from terok_sandbox.vault.errors import BudgetError
from terok_sandbox.vault.proxy import VaultProxy
from terok_sandbox.vault.stream import Deadlines
from terok_sandbox.vault.usage.budget import MAX_WAITING, TaskBudget
from terok_sandbox.vault.usage.journal import UsageJournal, read_rows, read_usage
from terok_sandbox.vault.usage.meter import UsageMeter
from terok_sandbox.vault.usage.rows import NANO, put_together
from terok_sandbox.vault.worker import Server

from .conftest import CONTAINER, Provider, Vault

IN, OUT = 5, 25
"""USD per million tokens of `claude-opus-5`."""
BODY = {"model": "claude-opus-5", "max_tokens": 4000, "messages": [{"role": "user", "content": "x" * 4000}]}


@dataclass
class Bill:
    """A provider that bills every request it has got whole, and answers as it is told."""

    how: str = "complete"
    nano: int = 0
    seen: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def charge(self, used: int, made: int) -> None:
        self.nano += (used * IN + made * OUT) * 1000

    async def answer(self, request: web.Request) -> web.StreamResponse:
        asked = json.loads(await request.read())
        self.seen += 1
        used, made = len(asked["messages"][0]["content"]) // 4, asked["max_tokens"]
        self.charge(used, made)
        self.reached.set()
        usage = {"input_tokens": used, "output_tokens": made}
        if self.how == "silent":
            await self.go_on.wait()
        if self.how == "wordless":
            return web.json_response({"model": asked["model"], "content": []})
        if self.how == "complete":
            return web.json_response({"type": "message", "model": asked["model"], "usage": usage})
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        begun = {"type": "message_start", "message": {"model": asked["model"], "usage": {**usage, "output_tokens": 1}}}
        await stream.write(b"data: " + json.dumps(begun).encode() + b"\n\n")
        await self.go_on.wait()
        end = {"type": "message_delta", "usage": {"output_tokens": made}}
        await stream.write(b"data: " + json.dumps(end).encode() + b"\n\n")
        return stream


@dataclass
class Shop:
    """A proxy with a meter between a client and a provider with a bill."""

    vault: Vault
    bill: Bill
    usage: UsageWiring
    client: aiohttp.ClientSession
    meter: UsageMeter
    told: list[Fact]
    deadlines: Deadlines

    def ledger(self) -> int:
        return sum(row["cost_nano"] for row in read_usage(self.usage.journal))

    async def settled(self) -> None:
        async with asyncio.timeout(20):
            while sum(row["action"] == "response" for row in self.vault.audit()) < sum(
                row["action"] == "request" and row["verdict"] == "released" for row in self.vault.audit()
            ):
                await asyncio.sleep(0.01)


Open = Callable[..., Any]


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
    it.bill.how = "complete"
    it.bill.go_on.set()
    await it.settled()
    (row,) = read_usage(it.usage.journal)
    assert row["cost_nano"] == it.bill.nano and "estimated" not in row, "BUD-1: the ledger is not the bill"
    assert (row["status"], row["outcome"], row["aborted"]) == (200, "client_left", 1)
    assert row["audit"] == it.vault.audit()[-1]["request"] and row["credential_set"] == "default"


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


CALL = 1000 * IN + 4000 * OUT
"""What one call costs at the most and, with this bill, in fact: in millionths of a USD."""


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def asking(shop: Shop, calls: int, body: Any = BODY) -> list[asyncio.Task[int]]:
    async def ask() -> int:
        async with shop.client.post("/v1/messages", json=body) as answer:
            return answer.status

    return [asyncio.create_task(ask()) for _ in range(calls)]


@pytest.mark.attack(id="BUD-1")
@pytest.mark.parametrize("large", [False, True], ids=["small", "streamed"])
async def test_fifty_calls_that_are_held_exceed_a_budget_by_one_at_most(shop: Open, large: bool) -> None:
    it = await shop(Limits(cost_usd=0.30), on_limit="hold")
    it.bill.go_on.set()
    body = {**BODY, "filling": "y" * 300_000} if large else BODY
    calls = asking(it, 50, body)
    await until(lambda: it.meter.budget.held == 50 - it.bill.seen)
    assert not [call for call in calls if call.done() and call.result() != 200], "nothing is refused"
    assert 0.30 * NANO <= it.bill.nano < 0.30 * NANO + CALL * 1000, "the one in flight, and no more"
    last = [fact for fact in it.told if isinstance(fact, BudgetFact)][-1]
    assert (last.whose, last.limit, last.state, last.held) == ("task", "cost_usd", "holds", 50 - it.bill.seen)

    most = it.bill.nano / NANO + 0.25
    it.meter.decide({"answer": "raise", "limit": "cost_usd", "most": most})
    await until(lambda: it.bill.nano >= most * NANO and it.meter.budget.held == 50 - it.bill.seen)
    assert it.bill.nano < most * NANO + CALL * 1000

    it.meter.decide({"answer": "stop"})
    statuses = [await call for call in calls]
    assert statuses.count(200) == it.bill.seen and set(statuses) == {200, 429}
    (later,) = asking(it, 1)
    assert await later == 429, "what is stopped is not held any more"
    assert it.ledger() == it.bill.nano or large
    most_each = {row["pending_tokens"] for row in read_rows(it.usage.journal) if "id" in row}
    assert len(most_each) == 1, "also of a call that has waited"


async def test_a_turn_is_finished_and_then_the_limit_holds_again(shop: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    it = await shop(Limits(requests=1), on_limit="hold")
    it.bill.go_on.set()
    assert [await call for call in asking(it, 1)] == [200]
    held = asking(it, 3)
    await until(lambda: it.meter.budget.held == 3)
    it.meter.decide({"answer": "finish"})
    assert [await call for call in [*held, *asking(it, 2)]] == [200] * 5
    states = [fact.state for fact in it.told if isinstance(fact, BudgetFact)]
    assert states[0] == "holds" and states[-1] == "finishing"
    now = time.time()
    monkeypatch.setattr(it.meter.budget, "_clock", lambda: now + 61)
    (late,) = asking(it, 1)
    await until(lambda: it.meter.budget.held == 1)
    late.cancel()
    await until(lambda: it.meter.budget.held == 0)
    assert it.bill.seen == 6


async def test_a_held_call_is_decided_about_anew_when_it_goes_on(shop: Open) -> None:
    it = await shop(Limits(requests=0), on_limit="hold")
    (held,) = asking(it, 1)
    await until(lambda: it.meter.budget.held == 1)
    it.vault.db.revoke_tokens(CONTAINER)
    it.meter.decide({"answer": "raise", "limit": "requests", "most": 5})
    assert await held == 401 and it.bill.seen == 0


async def test_only_so_many_calls_wait_and_a_client_that_leaves_waits_no_longer(shop: Open) -> None:
    it = await shop(Limits(requests=0), on_limit="hold")
    calls = asking(it, MAX_WAITING + 3)
    await until(lambda: sum(call.done() for call in calls) == 3)
    assert [call.result() for call in calls if call.done()] == [429] * 3
    assert it.meter.budget.held == MAX_WAITING
    for call in calls:
        call.cancel()
    await until(lambda: it.meter.budget.held == 0)
    assert it.bill.seen == 0


async def test_who_has_waited_in_vain_is_asked_to_come_back(shop: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terok_sandbox.vault.usage.budget.WAIT_SECONDS", 0.1)
    it = await shop(Limits(requests=0), on_limit="hold")
    async with it.client.post("/v1/messages", json=BODY) as answer:
        assert answer.status == 429 and answer.headers["Retry-After"] == "2" and "x-should-retry" not in answer.headers
    assert it.vault.audit()[-1]["reason"] == "budget_busy"
    it.meter.decide({"answer": "stop"})
    async with it.client.post("/v1/messages", json=BODY) as answer:
        assert answer.status == 429 and answer.headers["x-should-retry"] == "false"


async def test_a_decision_of_the_project_reaches_calls_held_elsewhere(
    shop: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("terok_sandbox.vault.usage.budget.RECHECK_SECONDS", 0.02)
    it = await shop(NO_LIMITS, on_limit="hold", project=Limits(requests=0))
    (held,) = asking(it, 1)
    await until(lambda: it.meter.budget.held == 1)
    before = len(it.told)
    refreshes: list[None] = []
    refresh = it.meter.budget.refresh
    monkeypatch.setattr(it.meter.budget, "refresh", lambda: refreshes.append(refresh()))
    await until(lambda: len(refreshes) >= 3)
    assert len(it.told) == before, "looking again changes nothing"
    other = replace(it.usage, journal=it.usage.journal.with_name("other.jsonl"), task="another")
    TaskBudget(other, lambda _: None).decide("raise", "project", "requests", 5)
    assert await held == 200


async def test_decisions_outlive_the_broker_and_belong_to_their_task(shop: Open) -> None:
    it = await shop(Limits(requests=1, tokens=10**9), on_limit="hold")
    it.meter.decide({"answer": "raise", "limit": "requests", "most": 2})
    again = UsageMeter(it.usage, CONTAINER)
    assert dict(again.budget.limits)["task"] == Limits(requests=2, tokens=10**9)
    for changed, limits in (
        (replace(it.usage, task="next"), it.usage.task_limits),
        (replace(it.usage, task_limits=Limits(requests=7)), Limits(requests=7)),
    ):
        assert dict(TaskBudget(changed, lambda _: None).limits)["task"] == limits, "a limit set since counts"
    it.usage.journal.with_name("usage.budget.json").write_text("damaged")
    assert dict(TaskBudget(it.usage, lambda _: None).limits)["task"] == it.usage.task_limits


BAD = [
    ({"answer": "raise", "limit": "tokens", "most": 9}, "tokens is not limited"),
    ({"answer": "raise", "limit": "requests", "most": 1}, "requests is limited to 1 now"),
    ({"answer": "raise", "limit": "requests", "most": float("nan")}, "requests is limited to 1 now"),
    ({"answer": "raise", "limit": "requests", "most": "5"}, "a decision has an answer"),
    ({"answer": "raise", "limit": "requests", "most": 5, "whose": "nobody"}, "'nobody' has no budget"),
    ({"answer": "wait"}, "unknown decision"),
    ({"answer": 5}, "a decision has an answer"),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "problem"), BAD)
async def test_a_decision_that_cannot_be_carried_out_changes_nothing(
    shop: Open, request_: dict[str, Any], problem: str
) -> None:
    it = await shop(Limits(requests=1), on_limit="hold")
    before = it.meter.decide({})
    with pytest.raises(BudgetError, match=problem):
        it.meter.decide(request_, lambda **_: pytest.fail("only what can be carried out is recorded"))
    assert [{**row, "at": 0} for row in it.meter.decide({})["limits"]] == [{**row, "at": 0} for row in before["limits"]]


async def test_what_cannot_be_recorded_does_not_take_effect(shop: Open) -> None:
    it = await shop(Limits(requests=1), on_limit="hold")
    operation, audit = BudgetOperation(it.vault.wiring.audit_path, CONTAINER, it.meter), it.vault.wiring.audit_path
    await operation(None, {"answer": "raise", "limit": "requests", "most": 2})  # type: ignore[arg-type]
    row = [row for row in it.vault.audit() if row["action"] == "budget"][-1]
    assert (row["answer"], row["whose"], row["limit"], row["most"]) == ("raise", "task", "requests", 2.0)
    audit.unlink()
    audit.mkdir()
    with pytest.raises(BudgetError, match="cannot be recorded"):
        await operation(None, {"answer": "raise", "limit": "requests", "most": 3})  # type: ignore[arg-type]
    it.meter.budget.refresh()
    assert dict(it.meter.budget.limits)["task"] == Limits(requests=2)
    audit.rmdir()


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
