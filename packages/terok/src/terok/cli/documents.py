"""The JSON that the verbs about tasks print, as types: for the published schema and the tests that hold verbs to it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypedDict, get_type_hints

from terok.integrations.executor import RunResult, TokenUse
from terok.model.state import Evidence, TaskState
from terok.model.task import Event, FollowUp, Operation, Task


def _shape(name: str, keys: dict[str, Any]) -> Any:
    """Return the type of a JSON object with exactly these keys."""
    shape: Any = TypedDict(name, keys)  # type: ignore[operator] # made of the values that are printed, not written twice
    shape.__pydantic_config__ = {"extra": "forbid", "strict": True}
    return shape


def _of(kind: type, *without: str) -> dict[str, Any]:
    """Return the fields of a dataclass or named tuple with their types."""
    names = getattr(kind, "_fields", None) or [field.name for field in fields(kind)]
    hints = get_type_hints(kind)
    return {name: hints[name] for name in names if name not in without}


_TASK = _of(Task, "also") | {"short": str, "also": list[str]}
_EVIDENCE = _shape("Evidence", _of(Evidence))
_STATE = _of(TaskState, "evidence", "also") | {"task": str, "also": list[str], "evidence": list[_EVIDENCE]}
_FOLLOW_UP = _shape("FollowUp", _of(FollowUp))
_CHANGED = list[_shape("Changed", {"task": str, "ok": bool, "text": str})]
_SHOWN = {"request": dict[str, Any], "follow_ups": list[_FOLLOW_UP], "directory": str}
_WORK = {"task": str, "name": str, "project": str, "branch": str, "tip": str, "note": str, "state": str}
_SEVERAL = ("stop", "restart", "archive", "restore", "delete", "revoke-credentials")

DOCUMENTS: dict[str, Any] = {
    "task list": list[_shape("Task", _TASK)],
    "task wait": list[_shape("Task", _TASK)],
    "task new": _shape("Task", _TASK),
    "task run --detach": _shape("Task", _TASK),
    "task run": _shape("Ended", {"task": str, "name": str, "result": RunResult}),
    "task run --mode web": _shape("Page", {"task": str, "url": str}),
    "task show": _shape("TaskShown", _TASK | _SHOWN),
    "task status": _shape("State", _STATE),
    "task why": _shape("State", _STATE),
    "task followup": _shape("Written", {"id": int, "delivered": bool}),
    "task followup --list": list[_FOLLOW_UP],
    "task rename": _shape("Renamed", {"task": str, "name": str}),
    "task diff": _shape("Difference", {"task": str, "source": str, "diff": str}),
    "task usage": _shape("Usage", {"task": str, **_of(TokenUse)}),
    "task send": _shape("Sent", {"task": str, "how": str}),
    **dict.fromkeys((f"task {verb}" for verb in _SEVERAL), _CHANGED),
    "op log": list[_shape("Operation", _of(Operation, "inverse"))],
    "task timeline": list[_shape("Event", _of(Event))],
    "undo": _shape("Undone", {"id": int, "verb": str, "subject": str}),
    "review": list[_shape("Work", _WORK | {"commits": int, "findings": int})],
    "reject": _shape("Rejected", {"branch": str, "scope": str, "operation": int}),
}
"""The type of what a verb prints with `--json`, by the verb; of `task logs` and `task audit` each line is an object."""
