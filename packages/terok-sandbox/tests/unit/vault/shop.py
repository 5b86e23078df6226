"""A proxy with a meter between a client and a provider that bills."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from terok_sandbox.http1.stream import Deadlines
from terok_sandbox.sidecar import UsageWiring
from terok_sandbox.values.facts import Fact
from terok_sandbox.vault.usage.journal import read_usage
from terok_sandbox.vault.usage.meter import UsageMeter

if TYPE_CHECKING:
    from .conftest import Vault

IN, OUT = 5, 25
"""USD per million tokens of `claude-opus-5`."""
BODY = {"model": "claude-opus-5", "max_tokens": 4000, "messages": [{"role": "user", "content": "x" * 4000}]}
CALL = 1000 * IN + 4000 * OUT
"""What one call costs at the most and, with this bill, in fact: in millionths of a USD."""
Open = Callable[..., Any]


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


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def asking(shop: Shop, calls: int, body: Any = BODY) -> list[asyncio.Task[int]]:
    async def ask() -> int:
        async with shop.client.post("/v1/messages", json=body) as answer:
            return answer.status

    return [asyncio.create_task(ask()) for _ in range(calls)]
