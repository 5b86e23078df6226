"""BUD-1: calls over a limit that wait for a person, and what is decided about them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from terok_sandbox.broker import BudgetOperation
from terok_sandbox.values.facts import BudgetFact
from terok_sandbox.values.limits import NO_LIMITS, Limits
from terok_sandbox.vault.errors import BudgetError
from terok_sandbox.vault.usage.budget import MAX_WAITING, TaskBudget
from terok_sandbox.vault.usage.journal import read_rows
from terok_sandbox.vault.usage.meter import UsageMeter
from terok_sandbox.vault.usage.rows import NANO

from .conftest import CONTAINER
from .shop import BODY, CALL, Open, asking, until


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
