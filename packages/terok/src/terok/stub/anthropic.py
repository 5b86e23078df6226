"""The Anthropic Messages API: requests into conversations, replies into bodies and event streams."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from terok.stub import reading
from terok.stub.script import Conversation, Prefix, Reply, Text, usage_tokens
from terok.stub.sse import frame, pieces
from terok.stub.tools import OfferedTool


def read_request(body: object, *, size: int = 0) -> Conversation:
    """Return the conversation in the body of `POST /v1/messages`; BadRequestError for any other body."""
    request = reading.as_object(body)
    messages = reading.required_list(request, "messages")
    output_format = reading.mapping(reading.mapping(request.get("output_config")).get("format"))
    output_format = output_format or reading.mapping(request.get("output_format"))
    return Conversation(
        model=reading.string(request.get("model"), "stub"),
        stream=request.get("stream") is True,
        tools=tuple(
            OfferedTool(reading.string(tool.get("name")), schema=reading.mapping(tool.get("input_schema")))
            for tool in reading.objects(request.get("tools"))
        ),
        results=tuple(
            reading.result(block.get("tool_use_id"), block.get("content"))
            for message in reading.objects(messages)
            for block in reading.objects(message.get("content"))
            if block.get("type") == "tool_result"
        ),
        answer_schema=reading.mapping(output_format.get("schema")) or None,
        size=size,
        prefix=_prefix(request.get("system")),
        thinking=reading.whole(reading.mapping(request.get("thinking")).get("budget_tokens")),
    )


def body(reply: Reply, conversation: Conversation, reply_id: str) -> dict[str, Any]:
    """Return the answer to a request without `stream`."""
    return {
        **_envelope(conversation, reply_id),
        "content": [_block(reply)],
        "stop_reason": _stop_reason(reply),
        "usage": _usage(conversation, conversation.charge.output),
    }


def stream(reply: Reply, conversation: Conversation, reply_id: str) -> list[bytes]:
    """Return the answer to a request with `stream`, one event per item."""
    text = isinstance(reply, Text)
    start = {"type": "text", "text": ""} if isinstance(reply, Text) else {**_block(reply), "input": {}}
    content = reply.text if isinstance(reply, Text) else json.dumps(dict(reply.arguments))
    deltas = [
        {"type": "text_delta", "text": piece} if text else {"type": "input_json_delta", "partial_json": piece}
        for piece in pieces(content)
    ]
    message = {**_envelope(conversation, reply_id), "content": [], "usage": _usage(conversation, 1)}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": start},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": _stop_reason(reply), "stop_sequence": None},
            "usage": {"output_tokens": conversation.charge.output},
        },
        {"type": "message_stop"},
    ]
    return [frame(event, event=str(event["type"])) for event in events]


def count_tokens(conversation: Conversation) -> dict[str, int]:
    """Return the answer to `POST /v1/messages/count_tokens`."""
    return {"input_tokens": usage_tokens(conversation.size)}


def models(names: tuple[str, ...]) -> dict[str, Any]:
    """Return the answer to `GET /v1/models`."""
    data = [{"type": "model", "id": name, "display_name": name, "created_at": "2025-01-01T00:00:00Z"} for name in names]
    return {"data": data, "has_more": False, "first_id": names[0], "last_id": names[-1]}


def error(kind: str, message: str) -> dict[str, Any]:
    """Return an error body; `kind` is one of the API's, such as `authentication_error`."""
    return {"type": "error", "error": {"type": kind, "message": message}}


def _envelope(conversation: Conversation, reply_id: str) -> dict[str, Any]:
    about = {"id": f"msg_{reply_id}", "type": "message", "role": "assistant", "model": conversation.model}
    return {**about, "stop_reason": None, "stop_sequence": None}


def _block(reply: Reply) -> dict[str, Any]:
    if isinstance(reply, Text):
        return {"type": "text", "text": reply.text}
    return {"type": "tool_use", "id": reply.call_id, "name": reply.tool.name, "input": dict(reply.arguments)}


def _stop_reason(reply: Reply) -> str:
    return "end_turn" if isinstance(reply, Text) else "tool_use"


def _usage(conversation: Conversation, output_tokens: int) -> Mapping[str, Any]:
    charge = conversation.charge
    kept = {"ephemeral_5m_input_tokens": charge.cache_write, "ephemeral_1h_input_tokens": charge.cache_write_1h}
    return {
        "input_tokens": charge.input,
        "cache_creation_input_tokens": charge.cache_write + charge.cache_write_1h,
        "cache_creation": kept,
        "cache_read_input_tokens": charge.cache_read,
        "output_tokens": output_tokens,
    }


def _prefix(system: object) -> Prefix | None:
    """Return the part of the system prompt up to its last mark."""
    blocks = list(reading.objects(system))
    marks = [(number, block["cache_control"]) for number, block in enumerate(blocks) if block.get("cache_control")]
    if not marks:
        return None
    number, mark = marks[-1]
    text = "".join(reading.string(block.get("text")) for block in blocks[: number + 1])
    return Prefix(text, len(text), hour=reading.mapping(mark).get("ttl") == "1h")
