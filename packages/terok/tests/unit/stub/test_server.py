from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from terok.errors import StubError
from terok.stub import Refusal, Script, StubProvider
from terok.stub.server import MAX_BODY_BYTES

KEY = "the-real-key"
TOOLS = [{"name": "Bash", "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}}]
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "tools": TOOLS}


@pytest.fixture
async def provider() -> AsyncIterator[StubProvider]:
    async with StubProvider(Script(("ls",)), api_key=KEY) as running:
        yield running


@pytest.fixture
async def client(provider: StubProvider) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(provider.url, headers={"x-api-key": KEY}) as session:
        yield session


async def test_a_turn_of_tool_use_over_http(provider: StubProvider, client: aiohttp.ClientSession) -> None:
    async with client.post("/v1/messages", json=ASK) as response:
        block = (await response.json())["content"][0]
    assert (block["type"], block["input"]) == ("tool_use", {"command": "ls"})
    answer = {"type": "tool_result", "tool_use_id": block["id"], "content": [{"type": "text", "text": "README"}]}
    conversation = [*ASK["messages"], {"role": "user", "content": [answer]}]
    async with client.post("/v1/messages", json={**ASK, "messages": conversation, "stream": True}) as response:
        assert response.content_type == "text/event-stream"
        text = await response.text()
    assert "Done." in text
    assert text.rstrip().endswith('{"type":"message_stop"}')
    assert provider.seen.outputs == {0: "README"}
    assert provider.seen.authenticated() == 2
    assert provider.seen.records[0].body_bytes == len(json.dumps(ASK))


async def test_steps_of_a_turn_are_refused_as_told_and_errands_answered(
    provider: StubProvider, client: aiohttp.ClientSession
) -> None:
    provider.refusal = Refusal(429, 1_800_000_000.0, final=True)
    async with client.post("/v1/messages", json=ASK) as response:
        assert response.status == 429
        assert response.headers["retry-after"] == "Fri, 15 Jan 2027 08:00:00 GMT"
        assert response.headers["x-should-retry"] == "false"
    async with client.post("/v1/messages", json={**ASK, "tools": []}) as response:
        assert response.status == 200
    assert [(one.turn, one.status) for one in provider.seen.records] == [(True, 429), (False, 200)]
    assert len(provider.seen.turns) == 1


async def test_what_takes_time_ends_when_nobody_waits_any_more(
    provider: StubProvider, client: aiohttp.ClientSession
) -> None:
    provider.thinking = 600.0
    asking = asyncio.create_task(client.post("/v1/messages", json=ASK))
    while not provider.seen.turns:
        await asyncio.sleep(0)
    asking.cancel()
    async with asyncio.timeout(30):
        while not provider.seen.records:
            await asyncio.sleep(0.01)
    (record,) = provider.seen.records
    assert (record.status, record.turn) == (499, True)
    assert record.began <= provider.seen.turns[0] <= record.ended


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses", "/v1/chat/completions", "/v1/models"])
async def test_another_key_is_refused_in_the_shape_of_the_protocol(
    provider: StubProvider, client: aiohttp.ClientSession, path: str
) -> None:
    async with client.post(path, json=ASK, headers={"x-api-key": "phantom"}) as response:
        assert response.status == 401
        error = (await response.json())["error"]
    assert error.get("code", error["type"]) == ("authentication_error" if "messages" in path else "invalid_api_key")
    record = provider.seen.records[-1]
    assert (record.presented, record.status) == ("other", 401)
    assert "phantom" not in repr(record)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/", 200),
        ("GET", "/", 200),
        ("GET", "/v1/models", 200),
        ("GET", "/models/abc", 200),
        ("GET", "/v1/elsewhere", 404),
        ("POST", "/v1/elsewhere", 404),
        ("DELETE", "/v1/messages", 404),
        ("POST", "/chat/completions", 400),
        ("POST", "/v1/messages/count_tokens", 400),
    ],
)
async def test_other_requests(client: aiohttp.ClientSession, method: str, path: str, status: int) -> None:
    async with client.request(method, path) as response:
        assert response.status == status


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"[" * 100_000, b"\xff", b'{"messages": 1}'])
async def test_bodies_that_are_no_request_are_refused(client: aiohttp.ClientSession, raw: bytes) -> None:
    async with client.post("/v1/messages", data=raw) as response:
        assert response.status == 400
        assert (await response.json())["error"]["type"] == "invalid_request_error"


async def test_a_body_has_a_largest_size(provider: StubProvider, client: aiohttp.ClientSession) -> None:
    async with client.post("/v1/messages", data=io.BytesIO(b" " * (MAX_BODY_BYTES + 1))) as response:
        assert response.status == 413
    assert provider.seen.records[-1].status == 413


async def test_models_and_token_counts(client: aiohttp.ClientSession) -> None:
    async with client.get("/v1/models", headers={"anthropic-version": "2023-06-01"}) as response:
        assert (await response.json())["data"][0]["type"] == "model"
    async with client.get("/v1/models") as response:
        assert (await response.json())["object"] == "list"
    async with client.post("/v1/messages/count_tokens", json=ASK) as response:
        assert (await response.json())["input_tokens"] > 10


async def test_a_taken_port_is_a_stub_error(provider: StubProvider) -> None:
    with pytest.raises(StubError, match=str(provider.port)):
        async with StubProvider(Script(()), port=provider.port):
            pass
