from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from terok_sandbox.config import SandboxConfig
from terok_sandbox.sidecar import UsageWiring
from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.refusal import Refusal
from terok_sandbox.vault.routes import Route, parse_routes
from terok_sandbox.vault.store import TokenRow
from terok_sandbox.vault.usage import handlers
from terok_sandbox.vault.usage.budget import Limits, Totals, reached
from terok_sandbox.vault.usage.counts import Usage
from terok_sandbox.vault.usage.journal import Journal, project_dir, read_rows
from terok_sandbox.vault.usage.meter import UsageMeter
from terok_sandbox.vault.usage.prices import NANO, load_prices

ROUTES = parse_routes(json.dumps({n: {"upstream": f"https://api.{n}.com"} for n in ("anthropic", "openai")}).encode())
ANSWER = {"type": "message", "model": "claude-sonnet-4-5", "usage": {"input_tokens": 1000, "output_tokens": 2000}}


@pytest.fixture
def wiring(tmp_path: Path) -> UsageWiring:
    return UsageWiring(tmp_path / "proj/box.jsonl", "task1", time.time())


def token(provider: str = "anthropic") -> TokenRow:
    return TokenRow("id", "box", provider, "default", "now")


def admit(meter: UsageMeter, route: Route, *, ongoing: bool = False) -> Refusal | None:
    return meter.admit(token(route.provider), route, "POST", "/v1/messages", ongoing=ongoing)


def exchange(meter: UsageMeter, route: Route, answer: object = ANSWER, *, path: str = "/v1/messages") -> None:
    observer = meter.observe(token(route.provider), route, "POST", path)
    body = json.dumps(answer).encode()
    observer.begin(200, {"content-type": "application/json"})
    observer.feed(body)
    observer.end(400, len(body), "complete")


def test_an_exchange_is_written_down_and_priced(wiring: UsageWiring) -> None:
    meter = UsageMeter(wiring, "box")
    exchange(meter, ROUTES["anthropic"])
    exchange(meter, ROUTES["anthropic"], {"no": "usage"})
    exchange(meter, ROUTES["anthropic"], {"no": "usage"}, path="/v1/models")
    exchange(meter, ROUTES["anthropic"], path="/v1/conversations/conv_0")
    first, guessed, free, elsewhere = read_rows(wiring.journal)
    assert elsewhere["cost_nano"] == first["cost_nano"], (
        "an answer that says its usage is counted wherever it comes from"
    )
    assert first["cost_nano"] == round((1000 * 3 + 2000 * 15) / 1e6 * NANO) and first["model"] == "claude-sonnet-4-5"
    assert "estimated" not in first and guessed["estimated"] and guessed["input"] == 100
    assert guessed["price_assumed"] and guessed["cost_nano"] > 0 and free["cost_nano"] == 0
    assert wiring.journal.stat().st_mode & 0o777 == 0o600


@pytest.mark.attack(id="HTTP-11")
@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(requests=2), "2 of 2 requests"),
        (Limits(tokens=6000), "6000 of 6000 tokens"),
        (Limits(cost_usd=0.06), "0.07 of 0.06 USD"),
        (Limits(bytes=800), "bytes"),
        (Limits(wall_seconds=0), "seconds"),
    ],
)
@pytest.mark.parametrize("whose", ["task", "project"])
def test_a_limit_stops_the_next_request_in_the_vendor_s_words(
    wiring: UsageWiring, limits: Limits, words: str, whose: str
) -> None:
    wiring = replace(wiring, **{f"{whose}_limits": limits})
    meter, route = UsageMeter(wiring, "box"), ROUTES["anthropic"]
    for _ in range(2):
        assert limits.wall_seconds == 0 or admit(meter, route) is None
        exchange(meter, route)
    refusal = admit(meter, route)
    assert refusal is not None and refusal.status == 429 and words in refusal.message and whose in refusal.message
    body = json.loads(refusal.body())
    assert body["type"] == "error" and body["error"]["type"] == "rate_limit_error"
    other = admit(meter, ROUTES["openai"])
    assert other is not None and json.loads(other.body())["error"]["code"] == "insufficient_quota"
    assert ("x-should-retry", "false") in refusal.headers


def test_project_and_task_are_counted_apart(wiring: UsageWiring) -> None:
    limits = {"task_limits": Limits(requests=2), "project_limits": Limits(requests=3)}
    first = UsageMeter(replace(wiring, **limits), "box")
    second = UsageMeter(replace(wiring, **limits, journal=wiring.journal.with_name("two.jsonl"), task="task2"), "two")
    exchange(first, ROUTES["anthropic"])
    exchange(second, ROUTES["anthropic"])
    assert admit(first, ROUTES["anthropic"]) is None
    exchange(first, ROUTES["anthropic"])
    refusal = admit(second, ROUTES["anthropic"])
    assert refusal is not None and "project" in refusal.message
    again = UsageMeter(replace(wiring, task="task3", task_limits=Limits(requests=1)), "box")
    assert admit(again, ROUTES["anthropic"]) is None


def test_requests_in_flight_count(wiring: UsageWiring) -> None:
    meter, route = UsageMeter(replace(wiring, task_limits=Limits(requests=2)), "box"), ROUTES["anthropic"]
    observers = []
    for _ in range(2):
        assert admit(meter, route) is None
        observers.append(meter.observe(token(), route, "POST", "/v1/messages"))
    assert admit(meter, route) is not None
    for observer in observers:
        observer.end(0, 0, "client_left")
    assert meter.in_flight == 0 and admit(meter, route) is not None


@pytest.mark.attack(id="HTTP-11")
@pytest.mark.parametrize("limits", [Limits(tokens=10_000), Limits(cost_usd=0.1)])
def test_requests_under_way_leave_room_for_what_they_may_use(wiring: UsageWiring, limits: Limits) -> None:
    meter, route = UsageMeter(replace(wiring, task_limits=limits), "box"), ROUTES["anthropic"]
    blind = [meter.observe(token(), route, "POST", "/v1/messages") for _ in range(8) if admit(meter, route) is None]
    refusal = admit(meter, route)
    assert len(blind) == 8 and refusal is not None and refusal.reason == "budget_busy"
    assert ("Retry-After", "2") in refusal.headers and json.loads(refusal.body())["type"] == "error"
    assert meter.admit(token(), route, "GET", "/v1/models") is None
    for observer in blind:
        observer.end(0, 0, "client_left")
    exchange(meter, route)
    under_way = 0
    while admit(meter, route) is None:
        meter.observe(token(), route, "POST", "/v1/messages")
        under_way += 1
    assert under_way == 3, "3,000 tokens (0.033 USD) each are what the largest one has used so far"
    assert UsageMeter(replace(wiring, task_limits=Limits(requests=99)), "box").inferring == 0


@pytest.mark.attack(id="HTTP-11")
def test_each_answer_in_a_websocket_is_counted_when_it_is_there(wiring: UsageWiring) -> None:
    meter = UsageMeter(replace(wiring, task_limits=Limits(tokens=300)), "box")
    assert admit(meter, ROUTES["openai"]) is None
    observer = meter.observe(token("openai"), ROUTES["openai"], "GET", "/v1/responses")
    observer.begin(101, {})
    done = {"object": "response", "model": "gpt-5", "usage": {"input_tokens": 100, "output_tokens": 60}}
    for _ in range(2):
        assert admit(meter, ROUTES["openai"], ongoing=True) is None
        observer.feed(b'{"type":"response.created","response":{"model":"gpt-5","usage":null}}')
        observer.feed(b'{"type":"response.output_text.delta","delta":"words"}')
        observer.feed(json.dumps({"type": "response.completed", "response": done}).encode())
    refusal = admit(meter, ROUTES["openai"], ongoing=True)
    assert refusal is not None and "320 of 300 tokens" in refusal.message
    observer.feed(b"x" * 400)
    observer.end(10, 1000, "budget_exceeded")
    rows = list(read_rows(wiring.journal))
    assert [(row["model"], row["input"], row["output"]) for row in rows] == [("gpt-5", 100, 60)] * 2 + [
        ("gpt-5", 0, 100)
    ]
    assert rows[2]["estimated"] and rows[2]["received"] == 1000 and meter.in_flight == 0


@pytest.mark.attack(id="HTTP-11")
def test_a_client_that_leaves_before_the_last_count_saves_nothing(wiring: UsageWiring) -> None:
    meter, route = UsageMeter(wiring, "box"), ROUTES["anthropic"]
    start = {"type": "message_start", "message": {**ANSWER, "usage": {"input_tokens": 10, "output_tokens": 1}}}
    delta = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "words and words " * 10},
    }
    for outcome in ("client_left", "complete"):
        observer = meter.observe(token(), route, "POST", "/v1/messages")
        observer.begin(200, {"content-type": "text/event-stream"})
        for event in (start, *[delta] * 50):
            observer.feed(b"data: " + json.dumps(event).encode() + b"\n\n")
        observer.end(100, 10_000, outcome)
    left, complete = read_rows(wiring.journal)
    assert left["input"] == complete["input"] == 10 and 1500 < left["output"] < 3000 and left["estimated"]
    assert complete["output"] == 1 and "estimated" not in complete


def test_what_is_on_its_way_counts_for_a_limit_of_bytes(wiring: UsageWiring) -> None:
    meter, route = UsageMeter(replace(wiring, task_limits=Limits(bytes=1000)), "box"), ROUTES["anthropic"]
    observer = meter.observe(token(), route, "GET", "/large")
    observer.begin(200, {})
    observer.feed(b"x" * 999)
    assert admit(meter, route) is None
    observer.feed(b"x")
    refusal = admit(meter, route)
    assert refusal is not None and "1000 of 1000 bytes" in refusal.message
    observer.end(0, 500, "complete")
    assert admit(meter, route) is None and meter.arrived == 0


def test_documents_on_their_way_take_bounded_memory(wiring: UsageWiring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terok_sandbox.vault.usage.meter.MAX_HELD", 1000)
    meter, body = UsageMeter(wiring, "box"), json.dumps({**ANSWER, "filling": "x" * 600}).encode()
    observers = [meter.observe(token(), ROUTES["anthropic"], "POST", "/v1/messages") for _ in range(3)]
    for observer in observers:
        observer.begin(200, {"content-type": "application/json"})
        observer.feed(body)
        assert meter.held == len(body)
    for observer in observers:
        observer.end(100, len(body), "complete")
    assert [row.get("estimated", False) for row in read_rows(wiring.journal)] == [False, True, True] and meter.held == 0


def test_usage_that_cannot_be_written_is_kept_and_stops_what_is_limited(wiring: UsageWiring) -> None:
    meter, route = UsageMeter(replace(wiring, task_limits=Limits(requests=5)), "box"), ROUTES["anthropic"]
    wiring.journal.mkdir(parents=True)
    exchange(meter, route)
    refusal = admit(meter, route)
    assert refusal is not None and (refusal.status, refusal.reason) == (503, "usage_unavailable")
    wiring.journal.rmdir()
    assert admit(meter, route) is None and len(list(read_rows(wiring.journal))) == 1


def test_torn_rows_and_parallel_writers(wiring: UsageWiring) -> None:
    program = (
        "import sys,pathlib\nfrom terok_sandbox.vault.usage.journal import Journal\n"
        "j=Journal(pathlib.Path(sys.argv[1]),'task1')\nfor n in range(200): j.append({'input': 1})\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", program, str(wiring.journal)]) for _ in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]
    with wiring.journal.open("ab") as file:
        file.write(b'{"task":"task1","input":1')
    journal = Journal(wiring.journal, "task1")
    journal.refresh(project=True)
    assert journal.task_totals == Totals(600, 600, 0, 0) == journal.project_totals
    journal.append({"input": 5})
    journal.refresh(project=True)
    assert journal.task_totals.tokens == 605
    fresh = Journal(wiring.journal, "task1")
    fresh.refresh(project=False)
    assert fresh.task_totals == journal.task_totals


def test_prices(tmp_path: Path, wiring: UsageWiring) -> None:
    prices = load_prices()
    assert prices.find("claude-opus-4-5-20251101") != prices.find("claude-opus-4-20250514")
    assert prices.find("anthropic/claude-sonnet-4.5") == prices.find("claude-sonnet-4-5")
    dear, known = prices.cost(Usage("never heard of", 1))
    assert dear >= prices.cost(Usage("gpt-5", 1))[0] and not known
    assert prices.find("gpt-4o-2024-08-06") == prices.find("openai/gpt-4o") and prices.find("codestral-latest")
    for other in ("gpt-5.7-ultra", "claude-opus-4-9", "gpt-4o-audio", "gpt", ""):
        assert prices.find(other) is None, f"the price of {other} is nobody's guess"
    assert all(
        re.fullmatch(r"20\d\d-\d\d-\d\d", one.date) and one.source[:8] == "https://" for one in prices.models.values()
    )
    own = tmp_path / "prices.json"
    own.write_text('{"models": {"gpt-5": {"input": 1, "output": 2}}}')
    assert load_prices(own).cost(Usage("gpt-5", 1, 1, 1)) == (4000, True)
    for text in ("{", "[]", '{"models": {"x": {"input": -1, "output": 1}}}', '{"models": {"x": {"input": 1}}}'):
        own.write_text(text)
        with pytest.raises(VaultError, match="prices"):
            load_prices(own)
    meter = UsageMeter(replace(wiring, prices=own, task_limits=Limits(cost_usd=1)), "box")
    refusal = admit(meter, ROUTES["anthropic"])
    assert refusal is not None and refusal.status == 503


def test_the_cost_of_an_unknown_model_is_shown_as_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path))
    meter = UsageMeter(UsageWiring(SandboxConfig.load().usage_dir / "proj/box.jsonl", "task1", time.time()), "box")
    exchange(meter, ROUTES["anthropic"])
    exchange(meter, ROUTES["anthropic"], {**ANSWER, "model": "secret-model"})
    handlers.usage(json=True)
    known, unknown = sorted(json.loads(capsys.readouterr().out)["usage"], key=lambda one: one["model"])
    assert known["cost_usd"] == known["budget_usd"] > 0 and known["price"]["date"] and known["price"]["source"]
    assert unknown["cost_usd"] is unknown["price"] is None and unknown["budget_usd"] > known["budget_usd"]
    handlers.usage()
    assert f"unknown (budget: {unknown['budget_usd']:.4f})" in capsys.readouterr().out


def test_limits_are_checked_where_they_are_read() -> None:
    assert Limits.parse(None, "x") == Limits() and not Limits().any
    for raw in ({"token": 1}, {"tokens": -1}, {"tokens": True}, {"tokens": 1.5}, {"cost_usd": "1"}):
        with pytest.raises(VaultError):
            Limits.parse(raw, "task")
    assert reached(Limits(requests=0), Totals(), 0) is not None
    assert project_dir(Path("/u"), "Proj/../x").parent == Path("/u") and project_dir(Path("/u"), "a") == Path("/u/a")
