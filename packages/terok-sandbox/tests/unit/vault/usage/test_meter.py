from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from terok_sandbox.config import SandboxConfig
from terok_sandbox.launch.resources import project_dir
from terok_sandbox.sidecar import UsageWiring
from terok_sandbox.values.limits import Limits
from terok_sandbox.vault import record_handlers as handlers
from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.refusal import VaultRefusal
from terok_sandbox.vault.routes import Route, parse_routes
from terok_sandbox.vault.usage.answers import Usage
from terok_sandbox.vault.usage.journal import UsageJournal, reached, read_usage
from terok_sandbox.vault.usage.meter import UsageMeter
from terok_sandbox.vault.usage.observation import Observation, ObservedRequest
from terok_sandbox.vault.usage.prices import NANO, TABLE, load_prices
from terok_sandbox.vault.usage.request_estimate import RequestEstimate
from terok_sandbox.vault.usage.rows import Totals

ROUTES = parse_routes(json.dumps({n: {"upstream": f"https://api.{n}.com"} for n in ("anthropic", "openai")}).encode())
ANSWER = {"type": "message", "model": "claude-sonnet-4-5", "usage": {"input_tokens": 1000, "output_tokens": 2000}}


@pytest.fixture
def wiring(tmp_path: Path) -> UsageWiring:
    return UsageWiring(tmp_path / "proj/box.jsonl", "task1", time.time())


def admit(meter: UsageMeter, route: Route, *, ongoing: bool = False) -> VaultRefusal | None:
    return meter.admit(route, "POST", "/v1/messages", ongoing=ongoing)


ASKED = json.dumps({"model": "claude-sonnet-4-5", "max_tokens": 2000, "messages": "x" * 1900}).encode()


def started(meter: UsageMeter, path: str = "/v1/messages", asked: bytes = ASKED) -> Observation:
    observer = meter.observe(ROUTES["anthropic"], "POST", path)
    assert observer.ask(asked, last=True) is None
    return observer


def exchange(meter: UsageMeter, route: Route, answer: object = ANSWER, *, path: str = "/v1/messages") -> None:
    observer = meter.observe(route, "POST", path)
    assert observer.ask(ASKED, last=True) is None
    body = json.dumps(answer).encode()
    observer.begin(200, {"content-type": "application/json"})
    observer.feed(body)
    observer.move(400 + len(body))
    observer.end(400, len(body), "complete")


def test_an_exchange_is_written_down_and_priced(wiring: UsageWiring) -> None:
    meter = UsageMeter(wiring, "box")
    exchange(meter, ROUTES["anthropic"])
    exchange(meter, ROUTES["anthropic"], {"no": "usage"})
    exchange(meter, ROUTES["anthropic"], {"no": "usage"}, path="/v1/models")
    exchange(meter, ROUTES["anthropic"], path="/v1/conversations/conv_0")
    first, guessed, free, elsewhere = read_usage(wiring.journal)
    assert elsewhere["cost_nano"] == first["cost_nano"], (
        "an answer that says its usage is counted wherever it comes from"
    )
    assert first["cost_nano"] == round((1000 * 3 + 2000 * 15) / 1e6 * NANO) and first["model"] == "claude-sonnet-4-5"
    assert "estimated" not in first and guessed["estimated"] and guessed["input"] == len(ASKED) // 2
    assert guessed["cost_nano"] > 0 and free["cost_nano"] == 0 and free["price_assumed"], "nobody knows what it costs"
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
        if limits.wall_seconds is None:
            assert admit(meter, route) is None
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
        observers.append(meter.observe(route, "POST", "/v1/messages"))
    assert admit(meter, route) is not None
    for observer in observers:
        observer.end(0, 0, "client_left")
    assert meter.in_flight == 0 and admit(meter, route) is not None


@pytest.mark.attack(id="BUD-1")
@pytest.mark.parametrize("limits", [Limits(tokens=10_000), Limits(cost_usd=0.1)])
def test_requests_under_way_leave_room_for_what_they_may_use(wiring: UsageWiring, limits: Limits) -> None:
    meter, route = UsageMeter(replace(wiring, task_limits=limits), "box"), ROUTES["anthropic"]
    under_way = [started(meter) for _ in range(3)]
    late = meter.observe(route, "POST", "/v1/messages")
    assert late.ask(ASKED[:100], last=False) is None, "only the last piece asks"
    refusal = late.ask(ASKED[100:], last=True)
    assert refusal is not None and refusal.reason == "budget_busy", (
        "3,000 tokens (0.033 USD) each, a fourth has no room"
    )
    assert ("Retry-After", "2") in refusal.headers and json.loads(refusal.body())["type"] == "error"
    late.end(0, 0, "budget_busy")
    assert meter.admit(route, "GET", "/v1/models") is None
    for observer in under_way:
        observer.end(0, 0, "upstream_refused")
    assert sum(row["cost_nano"] for row in read_usage(wiring.journal)) == 0, "no provider has got them"
    dear = RequestEstimate(Usage(output=999_999), ("gpt-5-pro",))
    assert isinstance(meter.release(route, dear), ObservedRequest), "the first one goes"
    assert meter.admit(route, "POST", "/v1/messages").reason == "budget_busy"


@pytest.mark.attack(id="HTTP-11")
def test_each_answer_in_a_websocket_is_counted_when_it_is_there(wiring: UsageWiring) -> None:
    now = [0.0]
    meter = UsageMeter(replace(wiring, task_limits=Limits(tokens=300)), "box", clock=lambda: now[0])
    assert admit(meter, ROUTES["openai"]) is None
    observer = meter.observe(ROUTES["openai"], "GET", "/v1/responses")
    observer.begin(101, {})
    done = {"object": "response", "model": "gpt-5", "usage": {"input_tokens": 100, "output_tokens": 60}}
    asked = json.dumps({"type": "response.create", "model": "gpt-5", "max_output_tokens": 100, "input": "x" * 200})
    for _ in range(2):
        assert admit(meter, ROUTES["openai"], ongoing=True) is None
        assert observer.ask(asked.encode(), last=True) is None
        observer.feed(b'{"type":"response.created","response":{"model":"gpt-5","usage":null}}')
        observer.feed(b'{"type":"response.output_text.delta","delta":"words"}')
        observer.feed(json.dumps({"type": "response.completed", "response": done}).encode())
    refusal = admit(meter, ROUTES["openai"], ongoing=True)
    assert refusal is not None and "320 of 300 tokens" in refusal.message
    assert observer.ask(b'{"type":"conversation.item.create"}', last=True) is None, "it asks for no answer"
    refusal = observer.ask(asked.encode(), last=True)
    assert refusal is not None and "320 of 300 tokens" in refusal.message
    observer.feed(b"x" * 400)
    observer.end(10, 1000, "budget_exceeded")
    rows = list(read_usage(wiring.journal))
    assert [(row["model"], row["input"], row["output"]) for row in rows] == [
        ("gpt-5", 100, 60),
        ("gpt-5", 100, 60),
        ("gpt-5", 0, 100),
        ("", 0, 0),
    ]
    assert rows[2]["estimated"] and rows[3]["received"] == 1000 and meter.in_flight == 0


@pytest.mark.attack(id="BUD-1")
def test_a_websocket_that_ends_before_its_answer_pays_for_it(wiring: UsageWiring) -> None:
    meter = UsageMeter(wiring, "box")
    observer = meter.observe(ROUTES["openai"], "GET", "/v1/responses")
    observer.begin(101, {})
    asked = {"type": "response.create", "model": "gpt-5", "max_output_tokens": 1000, "previous_response_id": "resp_1"}
    assert observer.ask(json.dumps(asked).encode(), last=True) is None
    observer.end(100, 0, "client_left")
    first, last = read_usage(wiring.journal)
    assert (first["input"], first["output"], first["estimated"]) == (400_000, 1000, True) and last["cost_nano"] == 0


@pytest.mark.attack(id="HTTP-11")
def test_a_client_that_leaves_before_the_last_count_saves_nothing(wiring: UsageWiring) -> None:
    now = [0.0]
    meter = UsageMeter(wiring, "box", clock=lambda: now[0])
    start = {"type": "message_start", "message": {**ANSWER, "usage": {"input_tokens": 10, "output_tokens": 1}}}
    delta = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "words and words " * 10},
    }
    end = {"type": "message_delta", "usage": {"output_tokens": 1900}}
    asked = json.dumps({"model": "claude-sonnet-4-5", "max_tokens": 30_000}).encode()
    for outcome, seconds, last in (("client_left", 0, ()), ("complete", 0, ()), ("client_left", 8, ()),
                                   ("client_left", 900, ()), ("client_left", 900, (end,))):  # fmt: skip
        now[0] = 0
        observer = started(meter, asked=asked)
        observer.begin(200, {"content-type": "text/event-stream"})
        for event in (start, *[delta] * 50, *last):
            observer.feed(b"data: " + json.dumps(event).encode() + b"\n\n")
        now[0] = seconds
        observer.end(100, 10_000, outcome)
    left, cut, thinking, long, counted = read_usage(wiring.journal)
    assert left["input"] == cut["input"] == 10 and 1500 < left["output"] == cut["output"] < 3000
    assert left["estimated"] and cut["estimated"]
    assert thinking["output"] == left["output"] + 4000, "what is thought in hiding is assumed"
    assert long["output"] == 30_000, "but not more than was asked for"
    assert counted["output"] == 1900 and "estimated" not in counted, "the vendor had finished counting"


def test_what_is_on_its_way_counts_for_a_limit_of_bytes(wiring: UsageWiring) -> None:
    meter, route = UsageMeter(replace(wiring, task_limits=Limits(bytes=1000)), "box"), ROUTES["anthropic"]
    observer = meter.observe(route, "GET", "/large")
    observer.begin(200, {})
    assert observer.move(999) is None and admit(meter, route) is None
    assert observer.move(1) is None, "the limit is inclusive"
    refusal = admit(meter, route)
    assert refusal is not None and "1000 of 1000 bytes" in refusal.message
    refusal = observer.move(1)
    assert refusal is not None and "bytes" in refusal.message and meter.overrun(route) is not None
    observer.end(0, 500, "complete")
    assert admit(meter, route) is None and meter.moved == 0


def test_documents_on_their_way_take_bounded_memory(wiring: UsageWiring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terok_sandbox.vault.usage.meter.MAX_HELD", 1000)
    meter, body = UsageMeter(wiring, "box"), json.dumps({**ANSWER, "filling": "x" * 600}).encode()
    observers = [started(meter, asked=b'{"max_tokens":9}') for _ in range(3)]
    for observer in observers:
        observer.begin(200, {"content-type": "application/json"})
        observer.feed(body)
        assert meter.held == len(body)
    for observer in observers:
        observer.end(100, len(body), "complete")
    assert [row.get("estimated", False) for row in read_usage(wiring.journal)] == [False, True, True]
    assert meter.held == 0


def test_usage_that_cannot_be_written_is_kept_and_stops_what_is_limited(wiring: UsageWiring) -> None:
    meter, route = UsageMeter(replace(wiring, task_limits=Limits(requests=5)), "box"), ROUTES["anthropic"]
    wiring.journal.mkdir(parents=True)
    late = meter.observe(route, "POST", "/v1/messages")
    refusal = late.ask(ASKED, last=True)
    assert refusal is not None and refusal.reason == "usage_unavailable", "nothing leaves that is not written down"
    late.end(0, 0, "usage_unavailable")
    refusal = admit(meter, route)
    assert refusal is not None and (refusal.status, refusal.reason) == (503, "usage_unavailable")
    wiring.journal.rmdir()
    assert admit(meter, route) is None and len(list(read_usage(wiring.journal))) == 1


def test_torn_rows_and_parallel_writers(wiring: UsageWiring) -> None:
    program = (
        "import sys,pathlib\nfrom terok_sandbox.vault.usage.journal import UsageJournal\n"
        "j=UsageJournal(pathlib.Path(sys.argv[1]),'task1')\nfor n in range(200): j.append({'input': 1})\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", program, str(wiring.journal)]) for _ in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]
    with wiring.journal.open("ab") as file:
        file.write(b'{"task":"task1","input":1')
    journal = UsageJournal(wiring.journal, "task1")
    journal.refresh("project")
    assert journal.used["task"] == Totals(600, 600, 0, 0) == journal.used["project"]
    journal.append({"input": 5})
    journal.refresh("project")
    assert journal.used["task"].tokens == 605
    fresh = UsageJournal(wiring.journal, "task1")
    fresh.refresh("task")
    assert fresh.used["task"] == journal.used["task"]


def test_prices(tmp_path: Path, wiring: UsageWiring) -> None:
    prices = load_prices()
    assert prices.find("claude-opus-4-5-20251101") != prices.find("claude-opus-4-20250514")
    assert prices.find("anthropic/claude-sonnet-4.5") == prices.find("claude-sonnet-4-5")
    for vendor in ("", "openai", "nobody"):
        dear, known = prices.cost(Usage("never heard of", 1, 1), vendor)
        assert dear >= prices.cost(Usage("o1-pro", 1, 1))[0] > 700_000 and not known
    assert prices.cost(Usage("claude-next", 0, 1), "anthropic")[0] < prices.cost(Usage("never heard of", 0, 1))[0]
    assert prices.find("gpt-4o-2024-08-06") == prices.find("openai/gpt-4o") and prices.find("codestral-latest")
    for other in ("gpt-9-ultra", "claude-opus-4-9", "gpt-4o-audio", "gpt", ""):
        assert prices.find(other) is None, f"the price of {other} is nobody's guess"
    names = [json.loads(line.split(b": ")[0]) for line in TABLE.read_bytes().split(b'"models"')[1].splitlines()[1:-2]]
    assert len(names) > 1000
    for name in names:
        price = prices.find(name)
        assert price is not None and re.fullmatch(r"20\d\d-\d\d-\d\d", price.date) and price.source[:8] == "https://"
        assert "input" in price.kinds and "output" in price.kinds


def test_what_a_price_depends_on() -> None:
    prices, million = load_prices(), 1_000_000

    def usd(model: str, **counts: Any) -> float:
        cost, known = prices.cost(Usage(model, **counts))
        assert known, model
        return cost / NANO

    assert usd("gemini-2.5-pro", input=200_000) == 0.25 and usd("gemini-2.5-pro", input=200_001) == 0.5000025
    assert usd("gemini-2.5-pro", input=100_000, cache_read=100_001, output=1000) == 0.25 + 0.02500025 + 0.015
    assert usd("gpt-5-pro", input=million, output=million) == 135.0
    assert usd("gpt-5.4", output=million) == 15.0 and usd("gpt-5.4", output=million, tier="priority") == 30.0
    assert usd("gpt-5.4", output=million, tier="flex") == 7.5 and usd("gpt-5.4", output=million, tier="default") == 15.0
    assert usd("claude-opus-5-5", cache_write=million) == 5.0 and usd("claude-opus-5-5", cache_write_1h=million) == 8.0
    assert usd("claude-opus-5-5", output=million, tier="fast") == 40.0 and usd("claude-opus-5-5", searches=100) == 1.0
    assert usd("claude-opus-4-6", output=1000, tier="fast") == 0.15, "a tier that the table does not know is dear"


def test_own_prices(tmp_path: Path, wiring: UsageWiring) -> None:
    with pytest.raises(VaultError, match="no such file of prices"):
        load_prices(tmp_path / "prices.json", required=True)
    own = tmp_path / "prices.json"
    own.write_text('{"models": {"gpt-5": {"input": 1, "output": 2}}}')
    assert load_prices(own).cost(Usage("gpt-5", 1, 1, 1)) == (4000, True)
    assert load_prices(own).cost(Usage("gpt-5-mini", 1)) == (250, True)
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
    handlers.usage(as_json=True)
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
