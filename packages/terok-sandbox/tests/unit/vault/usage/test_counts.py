from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.vault.usage.answers import AnswerReader, Usage, usage_of
from terok_sandbox.vault.usage.request_estimate import is_inference, is_unpriced

ANTHROPIC = {
    "type": "message",
    "model": "claude-sonnet-4-5-20250929",
    "usage": {"input_tokens": 10, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 100, "output_tokens": 7},
}
RESPONSES = {
    "object": "response",
    "model": "gpt-5-codex",
    "usage": {"input_tokens": 110, "input_tokens_details": {"cached_tokens": 100}, "output_tokens": 7},
}
CHAT = {
    "object": "chat.completion",
    "model": "gpt-4o-2024-08-06",
    "usage": {"prompt_tokens": 110, "prompt_tokens_details": {"cached_tokens": 100}, "completion_tokens": 7},
}
MISTRAL = {
    "object": "chat.completion",
    "model": "devstral-small-2507",
    "usage": {"prompt_tokens": 10, "total_tokens": 17, "completion_tokens": 7},
}
GEMINI = {
    "modelVersion": "gemini-2.5-pro",
    "usageMetadata": {
        "promptTokenCount": 110,
        "cachedContentTokenCount": 100,
        "candidatesTokenCount": 3,
        "thoughtsTokenCount": 4,
    },
}
WHOLE = [
    (ANTHROPIC, Usage("claude-sonnet-4-5-20250929", 10, 7, 100, 5)),
    (RESPONSES, Usage("gpt-5-codex", 10, 7, 100)),
    (CHAT, Usage("gpt-4o-2024-08-06", 10, 7, 100)),
    (MISTRAL, Usage("devstral-small-2507", 10, 7)),
    (GEMINI, Usage("gemini-2.5-pro", 10, 7, 100, reasoning=4)),
    ({"response": GEMINI}, Usage("gemini-2.5-pro", 10, 7, 100, reasoning=4)),
    (
        {
            "model": "claude-opus-5-5",
            "usage": {
                "input_tokens": 10,
                "cache_creation_input_tokens": 50,
                "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
                "output_tokens": 7,
                "speed": "fast",
                "server_tool_use": {"web_search_requests": 3},
            },
        },
        Usage("claude-opus-5-5", 10, 7, 0, 20, 30, "fast", 3),
    ),
    ({**RESPONSES, "service_tier": "priority"}, Usage("gpt-5-codex", 10, 7, 100, tier="priority")),
    # What was thought in hiding stands in the total only.
    (
        {"model": "grok-4", "usage": {"prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 1017}},
        Usage("grok-4", 10, 1007),
    ),
]
STREAMS: list[tuple[list[Any], Usage]] = [
    (
        [
            {"type": "message_start", "message": {**ANTHROPIC, "usage": {**ANTHROPIC["usage"], "output_tokens": 1}}},  # type: ignore[dict-item]
            {"type": "content_block_delta", "delta": {"text": 'says "usage"'}},
            {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 7}},
            {"type": "message_stop"},
        ],
        WHOLE[0][1],
    ),
    (
        [
            {"type": "response.created", "response": {"model": "gpt-5-codex", "usage": None}},
            {"type": "response.output_text.delta", "delta": "x"},
            {"type": "response.completed", "response": RESPONSES},
        ],
        WHOLE[1][1],
    ),
    (
        [
            {"object": "chat.completion.chunk", "model": "gpt-4o-2024-08-06", "choices": [{}], "usage": None},
            {"object": "chat.completion.chunk", "model": "gpt-4o-2024-08-06", "choices": [], "usage": CHAT["usage"]},
        ],
        WHOLE[2][1],
    ),
    (
        [
            {"model": "devstral-small-2507", "choices": [{"delta": {"content": "x"}}]},
            {"model": "devstral-small-2507", "choices": [{}], "usage": MISTRAL["usage"]},
        ],
        WHOLE[3][1],
    ),
    (
        [{**GEMINI, "usageMetadata": {"promptTokenCount": 110, "thoughtsTokenCount": 2}}, GEMINI, {"response": {}}],
        WHOLE[4][1],
    ),
]


@pytest.mark.parametrize(("document", "usage"), WHOLE)
def test_whole_answers(document: dict[str, Any], usage: Usage) -> None:
    reader = AnswerReader()
    reader.begin(200, {"content-type": "application/json; charset=utf-8"})
    text = json.dumps(document).encode()
    for start in range(0, len(text), 7):
        reader.feed(text[start : start + 7])
    assert reader.finish() == replace(usage, final=True) and reader.said


@pytest.mark.parametrize(("events", "usage"), STREAMS)
@pytest.mark.parametrize("size", [1, 13, 10_000])
def test_streams(events: list[Any], usage: Usage, size: int) -> None:
    reader = AnswerReader()
    reader.begin(200, {"content-type": "text/event-stream"})
    text = (
        b"".join(b"event: e\ndata: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
    )
    for start in range(0, len(text), size):
        reader.feed(text[start : start + size])
    found = reader.finish()
    assert found is not None and replace(found, final=False) == usage


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["usage", "message", "response", "model", "input_tokens", "prompt_tokens", "object"])
            | st.sampled_from(["prompt_tokens_details", "input_tokens_details", "cached_tokens", "output_tokens"])
            | st.sampled_from(["usageMetadata", "promptTokenCount", "cachedContentTokenCount", "modelVersion"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=4))
def test_anything_else_counts_as_nothing_bad(events: list[Any]) -> None:
    usage: Usage | None = None
    for event in events:
        usage = usage_of(event, usage)
    if usage is not None:
        counts = (usage.input, usage.output, usage.cache_read, usage.cache_write, usage.cache_write_1h)
        assert all(type(count) is int and 0 <= count <= 2**41 for count in counts)


@given(st.binary(max_size=300), st.sampled_from(["application/json", "text/event-stream", "image/png", ""]))
def test_hostile_bytes(data: bytes, kind: str) -> None:
    reader = AnswerReader()
    reader.begin(200, {"content-type": kind})
    reader.feed(b'data: {"usage":' + data)
    reader.feed(b"\n\n")
    reader.finish()


def test_what_is_billed() -> None:
    assert is_inference("POST", "/v1/messages") and is_inference("POST", "/backend-api/codex/responses")
    assert is_inference("POST", "/v1beta/models/gemini-2.5-pro:streamGenerateContent")
    assert is_inference("POST", "/v1/%6Dessages/") and is_inference("POST", "/v1/messages%2F")
    assert is_unpriced("POST", "/v1/messages/batches") and is_inference("POST", "/v1/responses/compact")
    assert is_inference("POST", "/v1/conversations") and is_inference("POST", "/v1/conversations/conv_0")
    assert not is_inference("GET", "/v1/messages") and not is_inference("POST", "/v1/messages/count_tokens")
