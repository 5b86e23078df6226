"""A timeline as spans of OpenTelemetry (OTLP in JSON): a task, its runs, in them model calls and tool calls. Pure.

Attributes follow the semantic conventions for generative AI; what takes no time is an event of the span it falls into.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from terok.model.task import Task
    from terok.model.timeline import Entry

_INTERNAL, _CLIENT = 1, 3
_ERROR: Final = 2
_NANO: Final = 1_000_000_000
_HTTP_ERROR: Final = 400
_TOKENS: Final = {
    "input": "gen_ai.usage.input_tokens",
    "output": "gen_ai.usage.output_tokens",
    "cache_read": "gen_ai.usage.cache_read.input_tokens",
    "cache_write": "gen_ai.usage.cache_creation.input_tokens",
}


class _Run(NamedTuple):
    """One run of a task: when it began, ended, and with what exit code."""

    begun: float
    ended: float
    exit_code: int | None


def spans_document(task: Task, entries: Sequence[Entry], *, version: str) -> dict[str, Any]:
    """Return the request that exports the spans of a task's timeline; `version` is this program's."""
    end = max([task.ended or task.created, *(one.until or one.at for one in entries)])
    runs = _runs(entries, end)
    whole = _span(task, "task", "", f"task {task.project}/{task.name}", task.created, end, _about(task))
    spans = [whole]
    for number, run in enumerate(runs):
        failed = f"exit code {run.exit_code}" if run.exit_code else ""
        about = {"gen_ai.operation.name": "invoke_agent", **_agent(task), "process.exit.code": run.exit_code}
        name = f"invoke_agent {task.agent}"
        key = f"run {number}"
        spans.append(_span(task, key, "task", name, run.begun, run.ended, about, failed=failed))
    for number, entry in enumerate(entries):
        place = next((at for at in reversed(range(len(runs))) if runs[at].begun <= entry.at <= runs[at].ended), None)
        parent = "task" if place is None else f"run {place}"
        if entry.kind == "model":
            spans.append(_model_call(task, f"{number}", parent, entry))
        elif entry.kind == "tool":
            spans.append(_tool_call(task, f"{number}", parent, entry))
        else:
            within = whole if place is None else spans[1 + place]
            within["events"].append(_event(entry))
    resource = {"service.name": "terok", "service.version": version}
    scope = {"name": "terok", "version": version}
    scoped = [{"scope": scope, "spans": spans}]
    return {"resourceSpans": [{"resource": {"attributes": _attributes(resource)}, "scopeSpans": scoped}]}


def _runs(entries: Iterable[Entry], end: float) -> list[_Run]:
    runs: list[_Run] = []
    for entry in entries:
        if entry.kind != "run":
            continue
        said = entry.data.get("event")
        if said == "starting":
            runs.append(_Run(entry.at, end, None))
        elif said in ("ended", "start_failed") and runs:
            code = entry.data.get("exit_code")
            runs[-1] = runs[-1]._replace(ended=max(entry.at, runs[-1].begun), exit_code=code)
    return runs


def _about(task: Task) -> dict[str, Any]:
    return {"terok.task.id": task.id, "terok.project": task.project, "terok.branch": task.branch, **_agent(task)}


def _agent(task: Task) -> dict[str, Any]:
    return {
        "gen_ai.agent.name": task.agent,
        "gen_ai.provider.name": task.provider,
        "gen_ai.request.model": task.model,
        "gen_ai.conversation.id": task.session,
    }


def _model_call(task: Task, key: str, parent: str, entry: Entry) -> dict[str, Any]:
    data = entry.data
    model = str(data.get("model") or "")
    status = data.get("status")
    failed = str(status) if isinstance(status, int) and status >= _HTTP_ERROR else ""
    about = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": data.get("provider"),
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        **{name: data.get(kind) for kind, name in _TOKENS.items()},
        "terok.cost_usd": data.get("cost_usd"),
        "terok.billing": data.get("billing"),
        "http.response.status_code": status,
        "error.type": failed,
    }
    name = f"chat {model}".rstrip()
    return _span(task, key, parent, name, entry.at, entry.until, about, kind=_CLIENT, failed=failed)


def _tool_call(task: Task, key: str, parent: str, entry: Entry) -> dict[str, Any]:
    data = entry.data
    name = str(data.get("name") or "")
    failed = "the tool failed" if data.get("failed") else ""
    about = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.call.id": data.get("id"),
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.arguments": data.get("input"),
        "error.type": "tool_error" if failed else "",
    }
    return _span(task, key, parent, f"execute_tool {name}".rstrip(), entry.at, entry.until, about, failed=failed)


def _span(
    task: Task,
    key: str,
    parent: str,
    name: str,
    begun: float,
    ended: float | None,
    about: Mapping[str, Any],
    *,
    kind: int = _INTERNAL,
    failed: str = "",
) -> dict[str, Any]:
    status: dict[str, Any] = {"code": _ERROR, "message": failed} if failed else {}
    return {
        "traceId": _digest(task.id, 32),
        "spanId": _digest(f"{task.id} {key}", 16),
        **({"parentSpanId": _digest(f"{task.id} {parent}", 16)} if parent else {}),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": _nano(begun),
        "endTimeUnixNano": _nano(max(begun, ended or begun)),
        "attributes": _attributes(about),
        "events": [],
        "status": status,
    }


def _event(entry: Entry) -> dict[str, Any]:
    about = {f"terok.{key}": value for key, value in entry.data.items() if isinstance(value, str | int | float)}
    about |= {"terok.source": entry.source, "terok.text": entry.text}
    return {"timeUnixNano": _nano(entry.at), "name": f"terok.{entry.kind}", "attributes": _attributes(about)}


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what says something as the list of attributes that OTLP has."""
    return [{"key": key, "value": _value(value)} for key, value in values.items() if value not in (None, "")]


def _value(value: object) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):  # 64 bits are text in JSON
        return {"intValue": str(value)} if abs(value) < 1 << 63 else {"stringValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": str(value)}


def _nano(seconds: float) -> str:
    return str(max(0, round(seconds * _NANO)))


def _digest(text: str, length: int) -> str:
    return sha256(text.encode()).hexdigest()[:length]
