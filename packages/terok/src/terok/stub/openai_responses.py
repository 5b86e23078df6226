"""The OpenAI Responses API: requests into conversations, replies into bodies and event streams."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from terok.stub import reading
from terok.stub.openai_chat import CREATED, THINKING, error, models, usage
from terok.stub.script import Conversation, Reply, Text
from terok.stub.sse import frame, pieces
from terok.stub.tools import OfferedTool

__all__ = ["body", "error", "models", "read_request", "stream"]

_RESULT_TYPES = ("function_call_output", "custom_tool_call_output", "local_shell_call_output")


def read_request(body: object, *, size: int = 0) -> Conversation:
    """Return the conversation in the body of `POST /v1/responses`; BadRequestError for any other body."""
    request = reading.as_object(body)
    items = request.get("input")
    if not isinstance(items, str):
        items = reading.required_list(request, "input")
    text_format = reading.mapping(reading.mapping(request.get("text")).get("format"))
    return Conversation(
        model=reading.string(request.get("model"), "stub"),
        stream=request.get("stream") is True,
        tools=tuple(_tools(request.get("tools"), None)),
        results=tuple(
            reading.result(item.get("call_id", item.get("id")), item.get("output"))
            for item in reading.objects(items)
            if item.get("type") in _RESULT_TYPES
        ),
        answer_schema=reading.mapping(text_format.get("schema")) or None,
        size=size,
        prefix=reading.named_prefix(request.get("prompt_cache_key"), request.get("instructions")),
        thinking=THINKING if reading.string(reading.mapping(request.get("reasoning")).get("effort")) else 0,
    )


def body(reply: Reply, conversation: Conversation, reply_id: str) -> dict[str, Any]:
    """Return the answer to a request without `stream`."""
    used = usage(conversation.charge, "input", "output")
    return _response(conversation, reply_id, "completed", [_item(reply, reply_id)], used)


def stream(reply: Reply, conversation: Conversation, reply_id: str) -> list[bytes]:
    """Return the answer to a request with `stream`, one numbered event per item."""
    started = _response(conversation, reply_id, "in_progress", [], None)
    item = _item(reply, reply_id)
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": started},
        {"type": "response.in_progress", "response": started},
        {"type": "response.output_item.added", "output_index": 0, "item": _opened(item)},
        *_deltas(item),
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": body(reply, conversation, reply_id)},
    ]
    numbered = ({**event, "sequence_number": number} for number, event in enumerate(events))
    return [frame(event, event=event["type"]) for event in numbered]


def _tools(value: object, namespace: str | None) -> Iterator[OfferedTool]:
    for tool in reading.objects(value):
        kind = reading.string(tool.get("type"))
        name = reading.string(tool.get("name"), kind)
        if kind == "function":
            yield OfferedTool(name, schema=reading.mapping(tool.get("parameters")), namespace=namespace)
        elif kind == "custom":
            yield OfferedTool(name, "custom", namespace=namespace)
        elif kind in {"local_shell", "shell"}:
            yield OfferedTool(name, "local_shell")
        elif kind == "namespace" and namespace is None:
            yield from _tools(tool.get("tools"), name)


def _item(reply: Reply, reply_id: str) -> dict[str, Any]:
    if isinstance(reply, Text):
        content = [{"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}]
        about = {"type": "message", "id": f"msg_{reply_id}", "status": "completed", "role": "assistant"}
        return {**about, "content": content}
    call: dict[str, Any] = {"id": f"fc_{reply_id}", "call_id": reply.call_id, "status": "completed"}
    if reply.tool.kind == "local_shell":
        action = {"type": "exec", "command": reply.arguments["command"], "env": {}, "timeout_ms": None, "user": None}
        return {"type": "local_shell_call", **call, "action": action}
    call["name"] = reply.tool.name
    if reply.tool.namespace is not None:
        call["namespace"] = reply.tool.namespace
    if reply.tool.kind == "custom":
        return {"type": "custom_tool_call", **call, "input": reply.command}
    return {"type": "function_call", **call, "arguments": json.dumps(dict(reply.arguments))}


def _opened(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the item as it looks before its content has been streamed."""
    empty: dict[str, Any] = {"content": [], "arguments": "", "input": ""}
    return {**item, **{key: value for key, value in empty.items() if key in item}, "status": "in_progress"}


def _deltas(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    place = {"item_id": item["id"], "output_index": 0}
    if item["type"] == "message":
        part = item["content"][0]
        inside = {**place, "content_index": 0}
        yield {"type": "response.content_part.added", **inside, "part": {**part, "text": ""}}
        for piece in pieces(part["text"]):
            yield {"type": "response.output_text.delta", **inside, "delta": piece, "logprobs": []}
        yield {"type": "response.output_text.done", **inside, "text": part["text"], "logprobs": []}
        yield {"type": "response.content_part.done", **inside, "part": part}
    elif (part := {"function_call": "arguments", "custom_tool_call": "input"}.get(item["type"])) is not None:
        for piece in pieces(item[part]):
            yield {"type": f"response.{item['type']}_{part}.delta", **place, "delta": piece}
        yield {"type": f"response.{item['type']}_{part}.done", **place, part: item[part]}


def _response(
    conversation: Conversation,
    reply_id: str,
    status: str,
    output: list[dict[str, Any]],
    used: Mapping[str, Any] | None,
) -> dict[str, Any]:
    return {
        "id": f"resp_{reply_id}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": conversation.model,
        "output": output,
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "usage": used,
    }
