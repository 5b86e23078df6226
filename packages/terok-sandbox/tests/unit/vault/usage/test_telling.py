"""What the broker tells: how a provider stands, by what it answered."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from terok_sandbox.sidecar import UsageWiring
from terok_sandbox.values.facts import Fact, ModelCall, Provider
from terok_sandbox.vault.usage.budget import TaskBudget
from terok_sandbox.vault.usage.telling import LimitAnswer, Telling

ANSWERS = [
    (200, "complete", "works"), (101, "complete", "works"), (401, "complete", "auth"), (429, "complete", "limit"),
    (500, "complete", "fails"), (529, "complete", "fails"), (0, "upstream_unreachable", "fails"),
    (0, "failed", None),
    (400, "complete", None), (403, "complete", None), (404, "complete", None), (0, "client_left", None),
    (0, "budget_exceeded", None), (0, "budget_busy", None), (200, "client_left", "works"),
]  # fmt: skip
REFUSED = [
    ("credential_missing", "auth"), ("sign_in_needed", "auth"), ("refresh_failed", "fails"),
    ("vault_unavailable", "fails"), ("rule_refused", None), ("budget_exceeded", None), ("unknown_token", None),
]  # fmt: skip


class Told(Telling):
    def __init__(self, tmp_path: Path) -> None:
        self.facts: list[Fact] = []
        wiring = UsageWiring(tmp_path / "p/box.jsonl", "t", time.time())
        super().__init__(self.facts.append, "run", TaskBudget(wiring, self.facts.append), clock=lambda: 1000.0)

    def stands(self) -> list[str]:
        return [fact.state for fact in self.facts if isinstance(fact, Provider)]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


@pytest.mark.parametrize(("status", "outcome", "state"), ANSWERS)
def test_an_answer_says_how_its_provider_stands(told: Told, status: int, outcome: str, state: str | None) -> None:
    told.answered("p", status, outcome)
    told.answered("p", status, outcome)
    assert told.stands() == ([] if state is None else [state]), "told once, and again only when it changes"


@pytest.mark.parametrize(("reason", "state"), REFUSED)
def test_so_does_a_refusal_of_the_vault_s_own(told: Told, reason: str, state: str | None) -> None:
    told.refused("p", 502, reason, number="a-1")
    assert told.stands() == ([] if state is None else [state])
    assert [(fact.id, fact.state, fact.outcome) for fact in told.facts if isinstance(fact, ModelCall)] == [
        ("a-1", "refused", reason)
    ]
    told.refused("", 401, reason)
    assert len(told.facts) == 1 + (state is not None), "no provider, no model call: nothing to tell"


def test_it_stands_so_until_it_answers_otherwise(told: Told) -> None:
    limit = LimitAnswer({"retry-after": "60"})
    for status in (200, 429, 400, 429, 200, 200, 401):
        told.answered("p", status, "complete", limit if status == 429 else None)
    assert told.stands() == ["works", "limit", "works", "auth"]
    assert [fact.reset_at for fact in told.facts if isinstance(fact, Provider)] == [None, 1060.0, None, None]


def test_a_call_begins_and_ends_under_one_name(told: Told) -> None:
    told.begun(3, "p")
    told.ended(3, 200, "complete")
    begun, ended = (fact for fact in told.facts if isinstance(fact, ModelCall))
    assert begun.key == ended.key == ("model_call", "run-3") and (begun.over, ended.over) == (False, True)
    assert (ended.provider, ended.began, ended.status) == ("p", 1000.0, 200)
