"""Reads roster files: the bundled ones, with the user's files merged over them."""

from __future__ import annotations

from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from terok_util import deep_merge, remembered, safe_text, yaml

from terok_executor.errors import RosterFileError
from terok_executor.paths import RESOURCES, cache_dir, user_roster_dir
from terok_executor.reading import decoded, read_bytes
from terok_executor.roster import types
from terok_executor.roster.types import Agent, Provider, Tool

if TYPE_CHECKING:
    from pydantic import ValidationError

MAX_FILE_BYTES = 256 * 1024
_KINDS = {name: kind for name, kind in vars(types).items() if is_dataclass(kind) and isinstance(kind, type)}
_CODE = [Path(__file__).with_name(f"{name}.py") for name in ("loader", "project", "schema", "template", "types")]


@dataclass(frozen=True, slots=True)
class RosterSource:
    """One roster file: where it is and what it says, with line positions kept by the parser."""

    origin: str
    data: Any


def load_agents(user_dir: Path | None = None) -> dict[str, Agent]:
    """Return every agent by name; RosterFileError, naming file, line and key, if any file is wrong."""
    return _load("agents", "RawAgentYaml", user_dir)


def load_providers(user_dir: Path | None = None) -> dict[str, Provider]:
    """Return every provider by name; RosterFileError as for agents."""
    return _load("providers", "RawProviderYaml", user_dir)


def load_tools(user_dir: Path | None = None) -> dict[str, Tool]:
    """Return every tool by name; RosterFileError as for agents."""
    return _load("tools", "RawToolYaml", user_dir)


def _load(kind: str, shape: str, user_dir: Path | None) -> dict[str, Any]:
    gathered = _gathered(kind, user_dir if user_dir is not None else user_roster_dir(kind))

    def make() -> dict[str, Any]:
        from terok_executor.roster import schema
        from terok_executor.roster.project import from_raw

        model = getattr(schema, shape)
        parsed = {
            name: [parse_source(origin, decoded(origin, data, RosterFileError)) for origin, data in texts]
            for name, texts in gathered.items()
        }
        return {name: from_raw(name, validated(model, name, sources)) for name, sources in parsed.items()}

    if user_dir is not None:
        return make()
    found: dict[str, Any] = remembered(
        cache_dir() / f"{kind}.json",
        make,
        sources=[text for texts in gathered.values() for text in texts],
        kinds=_KINDS,
        code=_CODE,
    )
    return found


def parse_source(origin: str, text: str) -> RosterSource:
    """Parse one file's text; it has to be a mapping."""
    try:
        data = yaml.load(text, name=origin)
        yaml.plain(data)
    except yaml.YAMLError as error:
        hint = "check indentation, colons and quotes"
        raise RosterFileError(safe_text(error.message, limit=500), hint=hint) from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise RosterFileError(f"{origin}:1: a mapping of keys to values is needed, not a {type(data).__name__}")
    return RosterSource(origin, data)


def _gathered(kind: str, user_dir: Path) -> dict[str, list[tuple[str, bytes]]]:
    """Return name and content of the files of each entry, the bundled one first."""
    found: dict[str, list[tuple[str, bytes]]] = {}
    for path in (RESOURCES / kind).glob("*.yaml"):
        found[path.stem] = [(f"bundled {kind}/{path.name}", path.read_bytes())]
    for path in sorted(user_dir.glob("*.yaml")):
        _check_name(path)
        found.setdefault(path.stem, []).append((str(path), read_bytes(path, MAX_FILE_BYTES, error=RosterFileError)))
    return dict(sorted(found.items()))


def _check_name(path: Path) -> None:
    stem = path.stem
    if not stem.isascii() or not stem.replace("-", "").isalnum() or stem != stem.lower() or len(stem) > 32:
        raise RosterFileError(
            f"{path}: the file name is the entry's name", hint="use up to 32 lower-case letters, digits and dashes"
        )


def validated(model: Any, name: str, sources: list[RosterSource]) -> Any:
    """Return the model of several files merged, the last one winning; RosterFileError names file, line and key."""
    from pydantic import ValidationError

    merged: dict[str, Any] = {}
    for source in sources:
        merged = deep_merge(merged, yaml.plain(source.data))
    try:
        return model.model_validate(merged)
    except ValidationError as error:
        raise RosterFileError(_explain(name, sources, error), hint=_hint(error)) from None


def _explain(name: str, sources: list[RosterSource], error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    location = tuple(first["loc"])
    origin, line = _locate(sources, location)
    key = ".".join(str(part) for part in location if part != "[key]") or name
    message = first["msg"].removeprefix("Value error, ")
    return f"{origin}:{line}: {key}: {safe_text(message, limit=300)}"


def _hint(error: ValidationError) -> str | None:
    kind = error.errors(include_url=False, include_context=False)[0]["type"]
    if kind == "extra_forbidden":
        return "the key is not known here; check its spelling and indentation"
    return None


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
    for part in location:
        positions = getattr(node, "lc", None)
        try:
            child = node[part]
        except (KeyError, IndexError, TypeError):
            break
        if positions is not None:
            data = positions.data or {}
            if part in data:
                line = data[part][0] + 1
        node, depth = child, depth + 1
    return line, depth
