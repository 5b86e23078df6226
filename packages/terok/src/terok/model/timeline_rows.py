"""Rows of audit logs, journal, output and database as entries of a timeline. Pure.

Nothing in a row makes this raise: names, reasons and arguments were chosen inside of a container.
"""

from __future__ import annotations

from datetime import datetime
from math import isfinite
from typing import Final

from terok_util import safe_text

from terok.model.timeline import Entry, dated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from terok.model.review import CheckRun, Comment
    from terok.model.task import Event, Operation

    Row = Mapping[str, Any]

_TEXT: Final = 1000
_LINE: Final = 200
_DEPTH: Final = 6
_NANO: Final = 1_000_000_000
_CHAINED: Final = frozenset({"time", "container", "action", "prev", "hash"})
_RUN: Final = frozenset({"starting", "started", "start_failed", "ended", "put_back"})
_REVIEW: Final = frozenset({"comment", "comments_sent", "viewed", "reviewed"})
_SHOWN: Final = ("provider", "verdict", "status", "reason", "name", "dest", "port", "proto", "rule", "posture", "scope")


def moment(text: object) -> float | None:
    """Return a time as RFC 3339 in seconds since the epoch, None for anything else."""
    try:
        at = datetime.fromisoformat(str(text)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return at if isfinite(at) else None


def safe(value: object, depth: int = _DEPTH) -> Any:
    """Return JSON values with all text in them safe to show, and bounded."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict) and depth:
        return {safe_text(str(key), limit=_LINE): safe(one, depth - 1) for key, one in value.items()}
    if isinstance(value, list | tuple) and depth:
        return [safe(one, depth - 1) for one in value]
    return safe_text(str(value), limit=_TEXT)


def entries_of_audit(wall: str, rows: Sequence[Row], otherwise: float) -> Iterator[Entry]:
    """Yield the entries of the rows of one wall's audit log; a request and its answer are one."""
    answers = {str(row["request"]): row for row in rows if row.get("action") == "response" and row.get("request")}
    moments = dated([moment(row.get("time")) for row in rows], otherwise)
    for at, row in zip(moments, rows, strict=True):
        action = str(row.get("action", ""))
        if action == "response":
            continue
        data = {key: safe(value) for key, value in row.items() if key not in _CHAINED}
        answer = answers.get(str(row["request"])) if action == "request" and row.get("request") else None
        until = None
        if answer is not None:
            until = moment(answer.get("time"))
            data |= {key: safe(answer[key]) for key in ("status", "outcome", "duration_ms") if key in answer}
        kind, text = _told(wall, action, data)
        yield Entry(at, kind, wall, _line(text), data, until)


def _told(wall: str, action: str, data: Row) -> tuple[str, str]:
    if action in ("unreadable", "log_resumed", "log_replaced"):
        return "record", f"the audit log has a gap: {action.replace('_', ' ')}"
    if wall == "gate":
        return "push", _push(data)
    if action in ("verdict", "posture", "budget"):
        said = " ".join(f"{key}={data[key]}" for key in _SHOWN if data.get(key) not in (None, ""))
        return "verdict", f"{action}: {said}"
    why = f": {data['reason']}" if data.get("reason") else ""
    if wall == "vault":
        asked = " ".join(str(data[key]) for key in ("verdict", "provider", "method", "path", "key") if data.get(key))
        status = f" {data['status']}" if data.get("status") else ""
        return "credential", f"{action} {asked}{status}{why}"
    kind = "name" if data.get("name") and action in ("allowed", "refused") else "connection"
    port = f":{data['port']}" if data.get("port") else ""
    return kind, f"{action} {data.get('name') or data.get('dest') or ''}{port}{why}"


def _push(data: Row) -> str:
    number = data.get("findings") or 0
    found = f", {number} finding{'s' if number != 1 else ''}" if number else ""
    why = f": {data['reason']}" if data.get("reason") else ""
    return f"{data.get('ref', '')} {str(data.get('commit', ''))[:12]} {data.get('verdict', '')}{found}{why}"


def entries_of_usage(rows: Sequence[Row], otherwise: float) -> Iterator[Entry]:
    """Yield the model calls in the rows of a usage journal, each from when it began."""
    moments = dated([moment(row.get("time")) for row in rows], otherwise)
    for at, row in zip(moments, rows, strict=True):
        took = row.get("duration_ms")
        begun = at - took / 1000 if isinstance(took, int | float) and 0 <= took < _NANO else at
        data = {key: safe(value) for key, value in row.items() if key not in ("run", "container", "task")}
        data["cost_usd"] = _cost(row)
        tokens = f"{_count(row, 'input')} tokens in, {_count(row, 'output')} out"
        requests = _count(row, "requests")
        many = f"{requests} requests, " if requests > 1 else ""
        status = f" {row['status']}" if _count(row, "status") >= 400 else ""
        price = "plan" if row.get("billing") == "plan" else "?" if data["cost_usd"] is None else None
        text = f"{row.get('provider', '')} {row.get('model', '')}{status}: {many}{tokens}, "
        yield Entry(begun, "model", "usage", _line(text + (price or f"${data['cost_usd']:.4f}")), data, at)


def _cost(row: Row) -> float | None:
    """Return the cost in US dollars, None if a price is not known."""
    return None if row.get("price_assumed") else round(_count(row, "cost_nano") / _NANO, 9)


def _count(row: Row, key: str) -> int:
    value = row.get(key, 0)
    return value if type(value) is int and value >= 0 else 0


def entries_of_output(said: Sequence[tuple[float | None, Row]], otherwise: float) -> Iterator[Entry]:
    """Yield tool calls and questions of an agent's output: events as `task logs --json` has them, each with its time.

    A call goes on until its result, which says whether it failed.
    """
    moments = dated([at for at, _ in said], otherwise)
    results = {
        str(row["id"]): (at, row)
        for at, (_, row) in zip(moments, said, strict=True)
        if row.get("kind") == "tool_result" and row.get("id")
    }
    for at, (_, row) in zip(moments, said, strict=True):
        kind = row.get("kind")
        if kind not in ("tool_call", "question"):
            continue
        data = {key: safe(value) for key, value in row.items() if key not in ("kind", "speaker")}
        until, result = results.get(str(row.get("id")), (None, None)) if kind == "tool_call" else (None, None)
        if result is not None:
            data["failed"] = bool(result.get("failed"))
            data |= {"exit_code": safe(result["exit_code"])} if "exit_code" in result else {}
        failed = " failed" if data.get("failed") else ""
        name = f"{row.get('name') or 'tool'}{failed}: " if kind == "tool_call" else ""
        text = f"{name}{row.get('text', '')}"
        yield Entry(at, "tool" if kind == "tool_call" else "question", "output", _line(text), data, until)


def entries_of_events(events: Iterable[Event]) -> Iterator[Entry]:
    """Yield the entries of a task's events, but for what comments and checks tell by themselves."""
    for event in events:
        if event.kind == "check" or (event.kind == "comment" and event.data.get("state") == "written"):
            continue
        data = {key: safe(value) for key, value in event.data.items() if value not in (None, "", [], {})}
        told = " ".join(f"{key}={value}" for key, value in data.items())
        kind = "run" if event.kind in _RUN else "review" if event.kind in _REVIEW else "task"
        if event.kind == "answered" or (event.kind == "state" and data.get("word") in ("question", "clearance")):
            kind = "question"
        if event.kind == "state":
            told = f"{data.get('was', '')} → {data.get('word', '')}: {data.get('reason', '')}"
        yield Entry(event.at, kind, "terok", _line(f"{event.kind} {told}"), {"event": event.kind, **data})


def entries_of_comments(comments: Iterable[Comment]) -> Iterator[Entry]:
    """Yield the entries of the comments that a person has written on a task's work."""
    for one in comments:
        place = f" on {one.place}" if one.place.path else ""
        data = {"comment": one.id, "place": str(one.place), "text": one.text, "author": one.author}
        data |= {"tip": one.tip, "delivery": one.delivery}
        yield Entry(one.written, "review", "terok", _line(f"comment{place}: {one.text}"), safe(data))


def entries_of_checks(runs: Iterable[CheckRun]) -> Iterator[Entry]:
    """Yield the entries of the commands that were run on a task's commits."""
    for run in runs:
        data = {"check": run.id, "command": run.command, "state": run.state, "exit_code": run.exit_code, "tip": run.tip}
        text = f"check `{run.command}` on {run.tip[:12]} {run.state}"
        yield Entry(run.started, "review", "terok", _line(text), safe(data), run.ended)


def entries_of_operations(operations: Iterable[Operation]) -> Iterator[Entry]:
    """Yield the entries of operations on a task."""
    for one in operations:
        data = {"operation": one.id, "verb": one.verb, "state": one.state}
        yield Entry(one.at, "operation", "terok", _line(f"{one.summary} ({one.state})"), data)


def _line(text: str) -> str:
    return safe_text(text.strip(), limit=_LINE)
