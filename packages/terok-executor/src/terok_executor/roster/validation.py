"""Checks roster files; an error names file, line and key. Imported only when a file has to be read anew."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from terok_util import deep_merge, safe_text, yaml

from terok_executor.errors import RosterFileError
from terok_executor.integrations.sandbox import RoutesError, parse_routes
from terok_executor.reading import decoded
from terok_executor.roster.provider import Provider
from terok_executor.roster.routes import routes_text
from terok_executor.roster.transcript_format import TranscriptFormat
from terok_executor.roster.types import Agent, Tool

KINDS: dict[str, Any] = {"agents": Agent, "providers": Provider, "tools": Tool, "transcripts": TranscriptFormat}
_FREE = ("patch", "phantom", "rules")
"""Keys whose value may be anything: it stays as it is."""
_MESSAGES = {
    "unexpected_keyword_argument": "unknown key",
    "dataclass_type": "a mapping of keys to values is needed",
    "tuple_type": "a list is needed",
}


@dataclass(frozen=True, slots=True)
class RosterSource:
    """One roster file: where it is and what it says, with line positions kept by the parser."""

    origin: str
    data: Any


def entry(kind: str, name: str, texts: Iterable[tuple[str, bytes]]) -> Any:
    """Return what the files of one entry describe, the last one winning; RosterFileError if one says something wrong.

    `kind` is `agents`, `providers`, `tools` or `transcripts`; `texts` are origin and content of each file.
    """
    sources = [parse_source(origin, decoded(origin, data, RosterFileError)) for origin, data in texts]
    merged: dict[str, Any] = {}
    for source in sources:
        merged = deep_merge(merged, yaml.plain(source.data))
    try:
        value = validate(kind, name, merged)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise _error(name, sources, first["loc"], first["type"], first["msg"]) from None
    # The vault reads the routes later, in another process, where nobody would see which line is wrong.
    if isinstance(value, Provider) and value.upstream is not None:
        try:
            parse_routes(routes_text({name: value}).encode(), source=sources[-1].origin)
        except RoutesError as error:
            location = tuple(error.key.split("."))
            raise _error(name, sources, location, "route", error.problem) from None
    return value


def validate(kind: str, name: str, data: dict[str, Any]) -> Any:
    """Return the value that the mapping of a file describes, with what it leaves to its name filled in.

    Anything out of place is a ValidationError of pydantic.
    """
    if "name" in data:
        # A file's name is its entry's. As a key it is unknown, and reported as such.
        data = {**data, "name ": data["name"]}
    return TypeAdapter(KINDS[kind]).validate_python(_tuples({**_completed(kind, name, data), "name": name}))


def parse_source(origin: str, text: str) -> RosterSource:
    """Parse one file's text; RosterFileError if it is not YAML, or not a mapping."""
    try:
        data = yaml.load(text, name=origin)
        yaml.plain(data)
    except yaml.YAMLError as error:
        hint = "check indentation, colons and quotes"
        raise RosterFileError(safe_text(error.message, limit=500), hint=hint) from None
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise RosterFileError(f"{origin}:1: a mapping of keys to values is needed, not a {type(data).__name__}")
    return RosterSource(origin, data)


def _completed(kind: str, name: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return the data with what follows from the entry's name where a file does not say it."""
    data = {**data, "label": data.get("label") or name}
    if kind in ("providers", "transcripts"):
        return data
    data["binary"] = data.get("binary") or name
    if "help" not in data or isinstance(data["help"], str):
        data["help"] = {"text": data.get("help", "")}
    if isinstance(data["help"], dict):
        data["help"] = {"section": "agent" if kind == "agents" else "dev_tool", **data["help"]}
    if isinstance(data.get("mounts"), list):
        data["mounts"] = [{"label": name, **one} if isinstance(one, dict) else one for one in data["mounts"]]
    if isinstance(data.get("acp"), list):
        data["acp"] = {"command": data["acp"]}
    if kind == "agents" and isinstance(data.setdefault("git_identity", {}), dict):
        data["git_identity"] = {"name": name.capitalize(), **data["git_identity"]}
    return data


def _tuples(node: Any) -> Any:
    """Return the data with tuples for lists, as frozen values have them."""
    if isinstance(node, list):
        return tuple(_tuples(item) for item in node)
    if isinstance(node, dict):
        return {key: item if key in _FREE else _tuples(item) for key, item in node.items()}
    return node


def _error(
    name: str, sources: list[RosterSource], location: tuple[int | str, ...], kind: str, message: str
) -> RosterFileError:
    location = tuple(part.rstrip() if isinstance(part, str) else part for part in location if part != "[key]")
    origin, line = _locate(sources, location)
    key = ".".join(map(str, location)) or name
    message = _MESSAGES.get(kind, message.removeprefix("Value error, "))
    hint = "check its spelling and indentation" if kind == "unexpected_keyword_argument" else None
    return RosterFileError(f"{origin}:{line}: {safe_text(key, limit=200)}: {safe_text(message, limit=300)}", hint=hint)


def _locate(sources: list[RosterSource], location: tuple[int | str, ...]) -> tuple[str, int]:
    """Return the file and line that say the value at `location`; the last file wins, as in the merge."""
    best = (sources[-1].origin, 1, 0)
    for source in reversed(sources):
        line, depth = _descend(source.data, location)
        if depth > best[2]:
            best = (source.origin, line, depth)
    return best[0], best[1]


def _descend(node: Any, location: tuple[int | str, ...]) -> tuple[int, int]:
    line, depth = 1, 0
    with suppress(KeyError, IndexError, TypeError):
        for part in location:
            child, positions = node[part], getattr(getattr(node, "lc", None), "data", None) or {}
            line = positions[part][0] + 1 if part in positions else line
            node, depth = child, depth + 1
    return line, depth
