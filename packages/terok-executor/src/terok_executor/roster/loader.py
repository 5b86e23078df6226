"""Reads roster files: the bundled ones, with the user's files merged over them.

What they say is checked once and kept; `remembered` makes it anew when a file or this code changes. Providers are a
module of their own because commands about credentials need no agents, and each dataclass costs half a millisecond.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from terok_util import remembered

from terok_executor.errors import RosterFileError
from terok_executor.integrations.sandbox import PLAIN_HINT, is_plain
from terok_executor.paths import RESOURCES, cache_dir, user_roster_dir
from terok_executor.reading import read_bytes

if TYPE_CHECKING:
    from terok_executor.roster.provider import Provider
    from terok_executor.roster.transcript_format import TranscriptFormat
    from terok_executor.roster.types import Agent, Tool

MAX_FILE_BYTES = 256 * 1024
_CODE = sorted(Path(__file__).parent.glob("*.py"))


def load_agents(user_dir: Path | None = None) -> dict[str, Agent]:
    """Return every agent by name; RosterFileError, naming file, line and key, if any file is wrong."""
    return _load("agents", ("types", "acp", "install", "provider"), user_dir)


def load_tools(user_dir: Path | None = None) -> dict[str, Tool]:
    """Return every tool by name; RosterFileError as for agents."""
    return _load("tools", ("types", "install", "provider"), user_dir)


def load_providers(user_dir: Path | None = None) -> dict[str, Provider]:
    """Return every provider by name; RosterFileError as for agents."""
    return _load("providers", ("provider",), user_dir)


def load_transcripts(user_dir: Path | None = None) -> dict[str, TranscriptFormat]:
    """Return every output format by name; RosterFileError as for agents."""
    return _load("transcripts", ("transcript_format",), user_dir)


def shipped_schema(kind: str) -> str:
    """Return the shipped JSON Schema."""
    return (RESOURCES / "schema" / f"{kind}.schema.json").read_text("utf-8")


def _load(kind: str, modules: Iterable[str], user_dir: Path | None) -> dict[str, Any]:
    """Return what the files of one kind describe; `modules` of this package define the dataclasses that occur in it."""
    gathered = _gathered(kind, user_dir if user_dir is not None else user_roster_dir(kind))

    def make() -> dict[str, Any]:
        from terok_executor.roster.validation import entry

        return {name: entry(kind, name, texts) for name, texts in gathered.items()}

    # A directory that a caller names is a test's or a tool's: it is not worth keeping.
    if user_dir is not None:
        return make()
    found: dict[str, Any] = remembered(
        cache_dir() / f"{kind}.json",
        make,
        sources=[text for texts in gathered.values() for text in texts],
        kinds={
            name: item
            for module in modules
            for name, item in vars(import_module(f"terok_executor.roster.{module}")).items()
            if isinstance(item, type) and is_dataclass(item)
        },
        code=_CODE,
    )
    return found


def _gathered(kind: str, user_dir: Path) -> dict[str, list[tuple[str, bytes]]]:
    """Return name and content of the files of each entry, the bundled one first."""
    found: dict[str, list[tuple[str, bytes]]] = {}
    for path in (RESOURCES / kind).glob("*.yaml"):
        found[path.stem] = [(f"bundled {kind}/{path.name}", path.read_bytes())]
    for path in sorted(user_dir.glob("*.yaml")):
        if not is_plain(path.stem):
            raise RosterFileError(f"{path}: the file name, which is the entry's name, is invalid", hint=PLAIN_HINT)
        found.setdefault(path.stem, []).append((str(path), read_bytes(path, MAX_FILE_BYTES, raises=RosterFileError)))
    return dict(sorted(found.items()))
