from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.vault.usage.answers import Usage
from terok_sandbox.vault.usage.prices import LARGEST_CONTEXT, load_prices
from terok_sandbox.vault.usage.request_estimate import LONGEST_ANSWER, estimate_request, is_unpriced

CHAT = {"model": "gpt-5", "max_completion_tokens": 100, "messages": [{"role": "user", "content": "x" * 1000}]}
UNKNOWN = Usage(input=LARGEST_CONTEXT, output=LONGEST_ANSWER)


def read(document: Any, path: str = "/v1/chat/completions") -> Any:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return estimate_request(path, body, len(body), LARGEST_CONTEXT)


@pytest.mark.attack(id="BUD-1")
def test_what_a_request_says_is_what_it_may_use() -> None:
    size = len(json.dumps(CHAT)) // 2
    assert read(CHAT).usage == Usage(input=size, output=100) and read(CHAT).models == ("gpt-5",)
    assert read({**CHAT, "n": 3}).usage.output == 300
    assert read({"model": "gpt-5", "input": "x"}).usage.output == LONGEST_ANSWER
    assert read({**CHAT, "service_tier": "priority"}).usage.tier == "priority"
    assert read({**CHAT, "speed": "fast"}).usage.tier == "fast"
    assert read({"input": "x"}, "/v1/embeddings").usage.output == 0
    kept = {**CHAT, "system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}
    assert read(kept).usage.cache_write_1h > 0 == read(kept).usage.input
    gemini = {"generationConfig": {"maxOutputTokens": 50, "candidateCount": 2}, "contents": []}
    found = read(gemini, "/v1beta/models/gemini-2.5-pro:generateContent")
    assert found.usage.output == 100 and found.models == ("gemini-2.5-pro",)
    assert read({"type": "response.create", "response": CHAT}, "/v1/responses").models == ("gpt-5",)
    assert read({**CHAT, "background": True}).background
    zipped = gzip.compress(json.dumps(CHAT).encode())
    assert estimate_request("/v1/messages", zipped, len(zipped), LARGEST_CONTEXT).usage == read(CHAT).usage


@pytest.mark.attack(id="BUD-1")
@pytest.mark.parametrize(
    "more",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": {"id": "conv_1"}},
        {"prompt": {"id": "pmpt_1"}},
        {"cachedContent": "cachedContents/1"},
        {"x": [{"type": "input_file", "file_id": "file_1"}]},
        {"x": [{"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}]},
        {"x": [{"type": "image_url", "image_url": {"detail": "low", "url": "https://example.com/a.png"}}]},
        {"x": [{"fileData": {"fileUri": "gs://bucket/film"}}]},
    ],
)
def test_context_that_stands_elsewhere_is_taken_for_the_longest(more: dict[str, Any]) -> None:
    document = {**CHAT, **more}
    assert read(document).usage.input == LARGEST_CONTEXT
    hidden = json.dumps(document).replace('"file', '"\\u0066ile').replace('"cached', '"\\u0063ached')
    assert read(hidden.encode()).usage.input == LARGEST_CONTEXT
    usage, _, known = read(document).dearest(load_prices(), "openai")
    assert usage.input == 400_000 and known, "but no longer than the model takes"


def test_pictures_and_addresses_in_text_are_no_context_elsewhere() -> None:
    inline = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    tool = {"type": "tool_use", "input": {"url": "https://example.com", "prompt": "read", "model": "sonnet"}}
    schema = {"properties": {"url": {"type": "string"}, "prompt": {"type": "string"}, "file_id": {"type": "string"}}}
    document = {**CHAT, "x": [inline, tool, schema, 'says "file_id": "y"']}
    assert read(document).usage.input < 1000 and read(document).models == ("gpt-5",)


@pytest.mark.attack(id="BUD-1")
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"\x28\xb5\x2f\xfd compressed in a way that is not read",
        b'{"model": "gpt-5-nano", "model": "gpt-5-pro"}',
        b'{"max_tokens": 1, "Max_Tokens": 100000}',
        gzip.compress(b" " * (9 * 1024 * 1024)),
        b'{"x": [' + b"[]," * 100_000 + b"0]}",
        None,
    ],
)
def test_what_two_readers_may_take_differently_is_taken_for_the_dearest(body: bytes | None) -> None:
    found = estimate_request("/v1/messages", body, 10, LARGEST_CONTEXT)
    assert found.usage == UNKNOWN and found.models == ("",) and found.later and not found.background
    _, cost, known = found.dearest(load_prices(), "")
    assert not known and cost > 100 * 10**9


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["model", "max_tokens", "n", "generationConfig", "response", "type", "prompt", "x"]), inner,
        max_size=5),
    max_leaves=10).map(lambda document: json.dumps(document).encode()))  # fmt: skip
def test_hostile_bodies(body: bytes) -> None:
    found = estimate_request("/v1/responses", body, len(body), LARGEST_CONTEXT)
    assert 0 <= found.usage.input <= LARGEST_CONTEXT and 0 <= found.usage.output <= 128 * LONGEST_ANSWER
    assert found.dearest(load_prices(), "openai")[1] >= 0


def test_what_cannot_be_priced() -> None:
    for path in ("/v1/images/generations", "/v1/batches", "/v1/messages/batches", "/v1/audio/speech",
                 "/v1beta/models/x:batchGenerateContent", "/anything"):  # fmt: skip
        assert is_unpriced("POST", path) and not is_unpriced("GET", path)
    assert is_unpriced("GET", "/v1/realtime") and is_unpriced("GET", "/ws/x.BidiGenerateContent")
    for path in ("/v1/messages", "/v1/messages/count_tokens", "/v1beta/models/x:countTokens", "/v1/responses/r/cancel"):
        assert not is_unpriced("POST", path)
