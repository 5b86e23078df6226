"""The OpenAI Chat Completions API: requests into conversations, replies into bodies and event streams."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from terok.stub import reading
from terok.stub.script import Charge, Conversation, Reply, Text
from terok.stub.sse import frame, pieces
from terok.stub.tools import OfferedTool

THINKING = 64
"""Tokens of thought where a request only says how hard to think."""
CREATED = 1_735_689_600
"""Time stamp of every answer, so that equal conversations have equal answers."""


def read_request(body: object, *, size: int = 0) -> Conversation:
    """Return the conversation in the body of `POST /v1/chat/completions`; BadRequestError for any other body."""
    request = reading.as_object(body)
    messages = reading.required_list(request, "messages")
    response_format = reading.mapping(request.get("response_format"))
    return Conversation(
        model=reading.string(request.get("model"), "stub"),
        stream=request.get("stream") is True,
        tools=tuple(_tool(tool) for tool in reading.objects(request.get("tools"))),
        results=tuple(
            reading.result(message.get("tool_call_id"), message.get("content"))
            for message in reading.objects(messages)
            if message.get("role") == "tool"
        ),
        answer_schema=reading.mapping(reading.mapping(response_format.get("json_schema")).get("schema")) or None,
        size=size,
        prefix=reading.named_prefix(request.get("prompt_cache_key"), reading.mapping(messages[0]).get("content")),
        thinking=THINKING if reading.string(request.get("reasoning_effort")) else 0,
    )


def body(reply: Reply, conversation: Conversation, reply_id: str) -> dict[str, Any]:
    """Return the answer to a request without `stream`."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text if isinstance(reply, Text) else None}
    if not isinstance(reply, Text):
        message["tool_calls"] = [_call(reply.call_id, reply.tool, _arguments(reply))]
    return {
        **_envelope(conversation, reply_id, "chat.completion"),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(reply)}],
        "usage": usage(conversation.charge, "prompt", "completion"),
    }


def stream(reply: Reply, conversation: Conversation, reply_id: str) -> list[bytes]:
    """Return the answer to a request with `stream`, one event per item, ended by `[DONE]`."""
    if isinstance(reply, Text):
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": piece} for piece in pieces(reply.text)]
    else:
        opening = {"index": 0, **_call(reply.call_id, reply.tool, "")}
        key, part = _keys(reply.tool)
        deltas = [{"role": "assistant", "content": None, "tool_calls": [opening]}]
        deltas += [{"tool_calls": [{"index": 0, key: {part: piece}}]} for piece in pieces(_arguments(reply))]
    envelope = _envelope(conversation, reply_id, "chat.completion.chunk")
    steps = [*((delta, None) for delta in deltas), ({}, _finish_reason(reply))]
    choices = ({"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason} for delta, reason in steps)
    chunks = [{**envelope, "choices": [choice]} for choice in choices]
    chunks.append({**envelope, "choices": [], "usage": usage(conversation.charge, "prompt", "completion")})
    return [*(frame(chunk) for chunk in chunks), frame("[DONE]")]


def models(names: tuple[str, ...]) -> dict[str, Any]:
    """Return the answer to `GET /v1/models`."""
    data = [{"id": name, "object": "model", "created": CREATED, "owned_by": "terok"} for name in names]
    return {"object": "list", "data": data}


def error(kind: str, message: str) -> dict[str, Any]:
    """Return an error body; `kind` is one of the API's codes, such as `invalid_api_key`."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": kind}}


def usage(charge: Charge, asked: str, answered: str) -> dict[str, Any]:
    """Return the usage figures; the words for what was `asked` and `answered` are what the vendor's APIs differ in."""
    return {
        f"{asked}_tokens": charge.prompt,
        f"{asked}_tokens_details": {"cached_tokens": charge.cache_read},
        f"{answered}_tokens": charge.output,
        f"{answered}_tokens_details": {"reasoning_tokens": charge.reasoning},
        "total_tokens": charge.prompt + charge.output,
    }


def _tool(tool: Mapping[str, Any]) -> OfferedTool:
    kind = reading.string(tool.get("type"), "function")
    inner = reading.mapping(tool.get(kind))
    schema = reading.mapping(inner.get("parameters"))
    return OfferedTool(reading.string(inner.get("name")), "custom" if kind == "custom" else "function", schema)


def _arguments(reply: Reply) -> str:
    assert not isinstance(reply, Text)
    return reply.command if reply.tool.kind == "custom" else json.dumps(dict(reply.arguments))


def _call(call_id: str, tool: OfferedTool, arguments: str) -> dict[str, Any]:
    key, part = _keys(tool)
    return {"id": call_id, "type": key, key: {"name": tool.name, part: arguments}}


def _keys(tool: OfferedTool) -> tuple[str, str]:
    return ("custom", "input") if tool.kind == "custom" else ("function", "arguments")


def _finish_reason(reply: Reply) -> str:
    return "stop" if isinstance(reply, Text) else "tool_calls"


def _envelope(conversation: Conversation, reply_id: str, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{reply_id}", "object": kind, "created": CREATED, "model": conversation.model}
