"""BUD-1: limits that several containers share, each with a broker of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from terok_sandbox.launch.resources import project_dir
from terok_sandbox.sidecar import UsageWiring
from terok_sandbox.values.facts import BudgetFact, Fact
from terok_sandbox.values.limits import Limits
from terok_sandbox.vault.refusal import VaultRefusal
from terok_sandbox.vault.routes import parse_routes
from terok_sandbox.vault.usage.answers import Usage
from terok_sandbox.vault.usage.budget import NEAR
from terok_sandbox.vault.usage.journal import SHARED, UsageJournal
from terok_sandbox.vault.usage.meter import UsageMeter
from terok_sandbox.vault.usage.observation import NO_ORIGIN, Entry, ObservedRequest
from terok_sandbox.vault.usage.request_estimate import RequestEstimate

(ROUTE,) = parse_routes(b'{"p": {"upstream": "https://api.example.com"}}').values()
ASKED = RequestEstimate(Usage(output=1000), ("m",))
ROUNDS, CONTAINERS, ROOM = 25, 3, 4

ASKING = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_shared_budget import ASKED, ROUTE, meter
from terok_sandbox.values.limits import Limits
from terok_sandbox.vault.usage.observation import ObservedRequest
base, name, whose = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
meters = [meter(base / str(one), name, "a" if whose == "project" else name, whose) for one in range({ROUNDS})]
for each in meters:
    print(flush=True)
    sys.stdin.readline()
    left = sum(isinstance(each.release(ROUTE, ASKED), ObservedRequest) for _ in range(8))
    print(left, flush=True)
"""


def meter(base: Path, name: str, scope: str, whose: str, told: list[Fact] | None = None) -> UsageMeter:
    wiring = UsageWiring(project_dir(base, scope) / f"{name}.jsonl", f"task-{name}", time.time())
    limited = replace(wiring, **{f"{whose}_limits": Limits(tokens=ROOM * 1000 + 1)})
    return UsageMeter(limited, name, tell=(told if told is not None else []).append)


def used(it: UsageMeter, output: int = 1000) -> None:
    opened = it.release(ROUTE, ASKED)
    assert isinstance(opened, ObservedRequest)
    it.record("p", Usage("m", output=output), Entry(NO_ORIGIN, opened, 200, "complete", 0.1, estimated=False))


@pytest.mark.attack(id="BUD-1")
@pytest.mark.parametrize("whose", ["project", "day"])
def test_brokers_that_ask_at_once_share_what_room_there_is(tmp_path: Path, whose: str) -> None:
    """Each in a process of its own; under the day's limit each in a project of its own."""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", ASKING, str(tmp_path), f"box{number}", whose],
            *(-1, None, subprocess.PIPE, subprocess.PIPE),
            text=True,
        )
        for number in range(CONTAINERS)
    ]
    try:
        left = []
        for _ in range(ROUNDS):
            for child in children:
                assert child.stdout is not None and child.stdout.readline() == "\n"
            for child in children:
                assert child.stdin is not None
                child.stdin.write("go\n")
                child.stdin.flush()
            left.append(sum(int(child.stdout.readline()) for child in children if child.stdout is not None))
    finally:
        for child in children:
            child.communicate()
    assert left == [ROOM] * ROUNDS, "BUD-1: what one has released is room for nobody else"


@pytest.mark.attack(id="BUD-1")
def test_nothing_leaves_when_what_others_use_cannot_be_read(tmp_path: Path) -> None:
    it = meter(tmp_path, "box", "a", "day")
    used(it)
    other = tmp_path / "b/other.jsonl"
    other.mkdir(parents=True)
    refusal = it.release(ROUTE, ASKED)
    assert isinstance(refusal, VaultRefusal) and refusal.reason == "usage_unavailable"
    other.rmdir()
    lock = tmp_path / SHARED / "turns.lock"
    lock.unlink()
    lock.mkdir()
    refusal = it.release(ROUTE, ASKED)
    assert isinstance(refusal, VaultRefusal) and refusal.reason == "usage_unavailable"
    assert it.facts.requests == 1


def test_a_day_is_that_of_all_projects_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Fact] = []
    it, other = meter(tmp_path, "box", "a", "day", told), meter(tmp_path, "other", "b", "day")
    earlier = UsageJournal(project_dir(tmp_path, "c") / "old.jsonl", "old")
    earlier.append({"time": "2026-01-01T10:00:00.000Z", "output": 10_000})
    for one in (it, other, it, other):
        used(one, 1001)
    refusal = it.admit(ROUTE, "POST", "/v1/messages")
    assert isinstance(refusal, VaultRefusal) and "of this day is used up: 4004 of 4001 tokens" in refusal.message
    assert it.budget.troubled
    it.decide({"answer": "raise", "whose": "day", "limit": "tokens", "most": 8000})
    assert other.admit(ROUTE, "POST", "/v1/messages") is None, "for all containers"
    text = (tmp_path / SHARED / "day.budget.json").read_text()
    assert json.loads(text)["raised"] == {"tokens": [4001.0, 8000.0]}
    tomorrow = time.time() + 86_400
    monkeypatch.setattr(time, "time", lambda: tomorrow)
    monkeypatch.setattr("terok_sandbox.vault.usage.journal.timestamp", lambda: "2100-01-01T00:00:00.000Z")
    monkeypatch.setattr(it.budget, "_clock", time.time)
    assert it.admit(ROUTE, "POST", "/v1/messages") is None and it._journal.used["day"].tokens == 0
    assert dict(it.budget.limits)["day"].tokens == ROOM * 1000 + 1, "what was decided was for the other day"
    states = [fact.state for fact in told if isinstance(fact, BudgetFact)]
    assert states == ["refuses", "room"]


def test_a_person_is_warned_once_when_a_limit_comes_near(tmp_path: Path) -> None:
    told: list[Fact] = []
    it = meter(tmp_path, "box", "a", "project", told)
    for output in (1000, 1000, 1200, 10, 10):
        used(it, output)
        near = [fact for fact in told if isinstance(fact, BudgetFact)]
        assert len(near) == (it._journal.used["project"].tokens >= NEAR * (ROOM * 1000 + 1))
    assert [(fact.whose, fact.limit, fact.state, fact.used) for fact in near] == [("project", "tokens", "near", 3210.0)]
