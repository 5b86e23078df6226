"""The Google Generative Language API: requests into conversations, replies into bodies and event streams.

Calls carry no id that clients are bound to send back, so the step is the number of function responses so far.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from terok.stub import reading
from terok.stub.script import CALL_ID_PREFIX, Conversation, Reply, Text, ToolResult, usage_tokens
from terok.stub.sse import frame
from terok.stub.tools import OfferedTool


def read_request(body: object, *, size: int = 0) -> Conversation:
    """Return the conversation in the body of `generateContent`; BadRequestError for any other body."""
    request = reading.as_object(body)
    contents = reading.required_list(request, "contents")
    answers = [
        reading.mapping(part.get("functionResponse"))
        for content in reading.objects(contents)
        for part in reading.objects(content.get("parts"))
        if "functionResponse" in part
    ]
    system = "".join(
        reading.string(part.get("text"))
        for part in reading.objects(reading.mapping(request.get("systemInstruction")).get("parts"))
    )
    generation = reading.mapping(request.get("generationConfig"))
    schema = reading.mapping(generation.get("responseJsonSchema") or generation.get("responseSchema"))
    return Conversation(
        model="stub",
        tools=tuple(_tools(request)),
        results=tuple(
            ToolResult(f"{CALL_ID_PREFIX}{step:03d}", reading.flat_text(answer.get("response")))
            for step, answer in enumerate(answers)
        ),
        answer_schema=schema or None,
        size=size,
        prefix=reading.named_prefix(system, system),
        thinking=reading.whole(reading.mapping(generation.get("thinkingConfig")).get("thinkingBudget")),
    )


def body(reply: Reply, conversation: Conversation, reply_id: str) -> dict[str, Any]:
    """Return the answer to `generateContent`, which is also the one event of `streamGenerateContent`."""
    part: dict[str, Any] = (
        {"text": reply.text}
        if isinstance(reply, Text)
        else {"functionCall": {"id": reply.call_id, "name": reply.tool.name, "args": dict(reply.arguments)}}
    )
    charge = conversation.charge
    return {
        "candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [part]}}],
        "usageMetadata": {
            "promptTokenCount": charge.prompt,
            "cachedContentTokenCount": charge.cache_read,
            "candidatesTokenCount": charge.output - charge.reasoning,
            "thoughtsTokenCount": charge.reasoning,
            "totalTokenCount": charge.prompt + charge.output,
        },
        "modelVersion": conversation.model,
        "responseId": reply_id,
    }


def stream(reply: Reply, conversation: Conversation, reply_id: str) -> list[bytes]:
    """Return the answer to `streamGenerateContent`."""
    return [frame(body(reply, conversation, reply_id))]


def count_tokens(conversation: Conversation) -> dict[str, int]:
    """Return the answer to `countTokens`."""
    return {"totalTokens": usage_tokens(conversation.size)}


def error(kind: str, message: str) -> dict[str, Any]:
    """Return an error body; `kind` is one of the API's status names."""
    return {"error": {"code": 400, "message": message, "status": kind.upper()}}


def _tools(request: Mapping[str, Any]) -> list[OfferedTool]:
    return [
        OfferedTool(
            reading.string(declared.get("name")),
            schema=reading.mapping(declared.get("parametersJsonSchema") or declared.get("parameters")),
        )
        for tool in reading.objects(request.get("tools"))
        for declared in reading.objects(tool.get("functionDeclarations"))
    ]
