"""From a JSON line to events, as the rules of a format say. Nothing in the line can make this raise."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from terok_executor.roster.transcript_format import TOKENS, EventRule
from terok_executor.transcript.event import Tokens, TranscriptEvent

MAX_TEXT = 64 * 1024
"""Characters of an event's text, and of a call's arguments."""
MAX_NAME = 200
MAX_ITEMS = 1000
"""Items of a list that are looked at."""
MAX_OPTIONS = 20
MAX_NUMBER = 10**15


def events_in(rules: tuple[EventRule, ...], line: Mapping[str, Any]) -> Iterator[tuple[TranscriptEvent, bool]]:
    """Yield the events in one line, in the order in which they stand there, and whether their text goes on later."""
    for each, group in groupby(rules, key=lambda rule: rule.each):
        fitting = list(group)
        if each is None:
            yield from _events(fitting, line)
            continue
        items = next(found(line, each), None)
        for item in items[:MAX_ITEMS] if isinstance(items, list) else ():
            yield from _events(fitting, {**line, "item": item})


def _events(rules: list[EventRule], line: Mapping[str, Any]) -> Iterator[tuple[TranscriptEvent, bool]]:
    for rule in rules:
        if all(_is_one_of(line, path, values) for path, values in rule.when.items()):
            yield _event(rule, line), first(line, rule.fields.get("partial", "=")) is True


def _event(rule: EventRule, line: Mapping[str, Any]) -> TranscriptEvent:
    parts = {name: first(line, paths) for name, paths in rule.fields.items()}
    code = _number(parts.get("exit_code"))
    cost = _amount(parts.get("cost_usd"))
    counts = [_number(parts.get(name)) or 0 for name in TOKENS]
    offered = parts.get("options")
    return TranscriptEvent(
        kind=rule.kind,
        text=text_of(parts.get("text")),
        speaker=rule.speaker,
        id=text_of(parts.get("id"), MAX_NAME),
        name=text_of(parts.get("name"), MAX_NAME),
        input=_json(parts["input"]) if parts.get("input") is not None else "",
        failed=bool(code) or any(_is_one_of(line, path, values) for path, values in rule.failed.items()),
        exit_code=code,
        options=tuple(text_of(one, MAX_NAME) for one in offered[:MAX_OPTIONS]) if isinstance(offered, list) else (),
        tokens=Tokens(*counts) if rule.kind in ("usage", "end") and any(counts) else None,
        cost_usd=cost,
    )


def first(line: Mapping[str, Any], paths: str) -> Any:
    """Return what the first path leads to that leads anywhere: one value, or a list if it has a `*`; else None."""
    for path in paths.split("|"):
        if path.startswith("="):
            return path[1:]
        values = [value for value in found(line, path) if value is not None]
        if values:
            return values if "*" in path else values[0]
    return None


def found(node: Any, path: str) -> Iterator[Any]:
    """Yield everything that a path leads to."""
    nodes = [node]
    for key in path.split("."):
        below: list[Any] = []
        for one in nodes:
            if isinstance(one, Mapping):
                below += [one[key]] if key in one else []
            elif isinstance(one, list):
                below += one[:MAX_ITEMS] if key == "*" else one[int(key) :][:1] if key.isdecimal() else []
        nodes = below[:MAX_ITEMS]
    yield from nodes


def text_of(value: Any, limit: int = MAX_TEXT) -> str:
    """Return the text of a JSON value: of a string itself, of strings in a list all of them, else the JSON."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = "\n".join(value)
    if value is None:
        return ""
    return value[:limit] if isinstance(value, str) else _json(value)[:limit]


def _is_one_of(line: Mapping[str, Any], path: str, values: tuple[str, ...]) -> bool:
    for value in found(line, path):
        if isinstance(value, str | int | float) and value != "":
            text = value if isinstance(value, str) else _json(value)
            if text in values or "*" in values:
                return True
    return False


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))[:MAX_TEXT]
    except (ValueError, RecursionError):  # a whole number of thousands of digits, or a deep nest
        return ""


def _amount(value: Any) -> float | None:
    """Return a number that is not negative, nor too large, nor none of both."""
    return float(value) if type(value) in (int, float) and 0 <= value < MAX_NUMBER else None


def _number(value: Any) -> int | None:
    return int(value) if type(value) in (int, float) and -MAX_NUMBER < value < MAX_NUMBER else None
