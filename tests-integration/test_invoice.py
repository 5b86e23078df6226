"""The ledger is the provider's invoice, to the token: real brokers, real sockets, clients that retry and leave.

In the suite it is two thousand calls; `TEROK_INVOICE_CALLS=10000` makes it ten thousand.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from brokers import KEY, Broker, Vault
from terok.cli import main
from terok.stub import Script, running_stub
from terok_sandbox.audit import read_audit
from terok_sandbox.config import SandboxConfig
from terok_sandbox.values.limits import Budget, Limits
from terok_sandbox.vault.usage.journal import read_usage

CALLS = int(os.environ.get("TEROK_INVOICE_CALLS", "2000"))
AT_ONCE = 8
PACE = 0.004
TRIES = 6
TROUBLE = (0, 0, 0, 0, 0, 0, 0, 0, 429, 0, 0, 0, 0, 529, 0, 0, 0, 0, 500)
"""What the provider answers in turn, 0 for what was asked."""
STORM = range(6, 6 + 140 * 50, 140)
"""Calls of one model, of which none leaves."""
KINDS = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning")
SYSTEM = "You are careful. " * 300


def body_of(number: int) -> tuple[str, dict]:
    """Return path and body of a call: main agents and sub-agents, four APIs, prompts that are cached or not."""
    words = f"{number} " + "word " * (number * 7 % 400)
    messages = [{"role": "user", "content": words}]
    stream = number % 3 == 0
    kept = {"type": "ephemeral", **({"ttl": "1h"} if number % 14 == 0 else {})}
    system = [{"type": "text", "text": f"{SYSTEM}{number % 30}", "cache_control": kept}]
    asked = {"stream": stream, "max_tokens": 4000}
    match number % 7:
        case 0:
            return "/v1/messages", {**asked, "model": "claude-opus-4-5", "messages": messages, "system": system}
        case 1:
            thinking = {"type": "enabled", "budget_tokens": 1024}
            return "/v1/messages", {**asked, "model": "claude-sonnet-4-5", "messages": messages, "thinking": thinking}
        case 2:  # a sub-agent
            return "/v1/messages", {**asked, "model": "claude-haiku-4-5", "messages": messages, "system": system}
        case 3:
            more = {"instructions": SYSTEM, "prompt_cache_key": "a", "reasoning": {"effort": "high"}}
            return "/v1/responses", {"model": "gpt-5", "stream": stream, "input": words, **more}
        case 4:
            about = {"model": "gpt-5-mini", "stream": stream, "reasoning_effort": "low", "prompt_cache_key": "b"}
            return "/v1/chat/completions", {**about, "messages": [{"role": "system", "content": SYSTEM}, *messages]}
        case 5:
            more = {"generationConfig": {"thinkingConfig": {"thinkingBudget": 32}}}
            contents = [{"role": "user", "parts": [{"text": words}]}]
            verb = "streamGenerateContent" if stream else "generateContent"
            first = {"parts": [{"text": SYSTEM}]}
            return f"/v1beta/models/gemini-2.5-pro:{verb}", {"contents": contents, "systemInstruction": first, **more}
        case _:
            return "/v1/messages", {**asked, "model": "a-model-nobody-has-priced", "messages": messages}


async def ask(broker: Broker, number: int) -> int:
    """Make one call as its number says, again for as long as it fails; return how often it was tried again."""
    path, document = body_of(number)
    body = json.dumps(document).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nx-api-key: {broker.token}\r\nConnection: close\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    leaves = {3: "before", 11: "within"}.get(number % 20)
    for tried in range(TRIES):
        reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
        try:
            writer.write(request)
            await writer.drain()
            if leaves == "before":
                await asyncio.sleep(PACE / 2)
                return tried
            status = int((await reader.readline()).split()[1])
            if leaves == "within" and status == 200:
                return tried
            await reader.read()
            if status == 200:
                return tried
            assert status in (429, 500, 529)
        finally:
            writer.close()
    raise AssertionError("a call failed too often")


async def storm(brokers: list[Broker], full: Callable[[], bool]) -> None:
    """Ask fifty times at once of each broker, and hang up on what is held when the budget is used up."""
    calls = [asyncio.create_task(ask(broker, number)) for broker in brokers for number in STORM]
    async with asyncio.timeout(120):
        while not full():
            await asyncio.sleep(0.02)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await settled(brokers)


async def load(brokers: list[Broker]) -> int:
    """Make all calls, some at a time of each broker; return how many were tried again."""
    numbers = iter(range(CALLS))

    async def work(broker: Broker) -> int:
        return sum([await ask(broker, number) for number in numbers])

    return sum(await asyncio.gather(*[work(broker) for broker in brokers for _ in range(AT_ONCE)]))


async def settled(brokers: list[Broker]) -> None:
    """Wait until every call is over, also those that nobody waits for."""
    async with asyncio.timeout(60):
        for broker in brokers:
            while True:
                rows = Counter(
                    "over" if row["action"] == "response" else row.get("verdict")
                    for row in read_audit(broker.sidecar.state_dir / "vault-audit.jsonl")
                )
                if rows["over"] == rows["released"]:
                    break
                await asyncio.sleep(0.05)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path))
    for name in ("TEROK_SANDBOX_RUNTIME_DIR", "TEROK_SANDBOX_STATE_DIR", "TEROK_VAULT_DIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "run").mkdir(mode=0o700)
    return tmp_path


@pytest.mark.attack(id="BUD-1")
@pytest.mark.timeout(900)
def test_the_ledger_is_the_invoice_to_the_token(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trouble = itertools.cycle(TROUBLE)
    with (
        running_stub(Script(()), api_key=KEY, trouble=lambda _: next(trouble), pace=PACE) as stub,
        ExitStack() as stack,
    ):
        vault = Vault(SandboxConfig.load(), stub.url)
        places = (("box-a", "web", "default"), ("box-b", "web", "default"), ("box-c", "api", "plan"))
        brokers = [stack.enter_context(vault.broker(name, scope, credential_set=kept)) for name, scope, kept in places]
        again = asyncio.run(load(brokers))
        asyncio.run(settled(brokers))
    invoice = stub.invoice.lines()
    rows = [row for path in vault.config.usage_dir.glob("*/*.jsonl") for row in read_usage(path)]
    ledger: dict[str, Counter] = {}
    for row in rows:
        kinds = {kind: row.get(kind, 0) for kind in KINDS}
        ledger.setdefault(row["model"], Counter()).update({"answers": row["requests"] - row.get("failed", 0), **kinds})
    for model, line in invoice.items():
        billed = {kind: getattr(line.charge, kind) for kind in KINDS} | {"answers": line.answers}
        if model.startswith("claude") or "nobody" in model:
            billed["reasoning"] = 0  # part of the output, which this API does not tell apart
        assert {kind: ledger[model][kind] for kind in billed} == billed, f"BUD-1: {model}"
    assert set(ledger) == set(invoice) and len(invoice) == 7
    assert sum(line.answers for line in invoice.values()) >= CALLS * 0.94, "some left before anything was sent"
    assert not any(row.get("estimated") for row in rows), "nothing had to be assumed"
    assert sum(row.get("retries", 0) for row in rows) == again > CALLS / 40
    assert sum(row.get("aborted", 0) for row in rows) >= CALLS / 40
    assert {(row["credential_set"], row["billing"]) for row in rows} == {("default", "metered"), ("plan", "plan")}
    unknown = {row["model"] for row in rows if row.get("price_assumed")}
    assert unknown == {"a-model-nobody-has-priced"}
    assert main(["usage", "--by", "model", "--json"]) == 0
    shown = {one["name"]: one for one in json.loads(capsys.readouterr().out)["rows"]}
    for model, line in invoice.items():
        one = shown[model]
        assert one["requests"] - one["failed"] == line.answers
        assert one["tokens"] == line.charge.prompt + line.charge.output, f"BUD-1: {model}, as a person sees it"
        assert (one["cost_usd"] is None) == ("nobody" in model)
    audits = {row["request"] for broker in brokers for row in read_audit(broker.sidecar.state_dir / "vault-audit.jsonl")
              if row["action"] == "request"}  # fmt: skip
    singles = [row["audit"] for row in rows if "audit" in row]
    assert len(set(singles)) == len(singles) and set(singles) <= audits


@pytest.mark.attack(id="BUD-1")
@pytest.mark.parametrize("whose", ["project", "day"])
def test_a_storm_of_calls_from_several_containers_goes_over_by_one_at_most(root: Path, whose: str) -> None:
    most = 25_000
    with running_stub(Script(()), api_key=KEY, pace=PACE) as stub, ExitStack() as stack:
        vault = Vault(SandboxConfig.load(), stub.url)
        budget = replace(Budget(on_limit="hold"), **{whose: Limits(tokens=most)})
        brokers = [
            stack.enter_context(vault.broker(name, "web" if whose == "project" else name, budget=budget))
            for name in ("box-a", "box-b", "box-c")
        ]

        def billed() -> int:
            return sum(line.charge.prompt + line.charge.output for line in stub.invoice.lines().values())

        asyncio.run(storm(brokers, lambda: billed() >= most))
    ((_, line),) = stub.invoice.lines().items()
    dearest = max(len(json.dumps(body_of(number)[1])) for number in STORM) // 4 + 10
    assert most <= billed() < most + dearest, f"{line.answers} answers"
    assert line.answers < len(brokers) * len(STORM), "there was more to ask"
