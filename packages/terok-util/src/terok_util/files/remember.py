"""Values that are costly to make from files, kept for the next process.

Parsing and validating what a person writes takes longer than most commands do. The answer is kept beside a digest of
everything it was made from, so a changed file, or another version of the code, is read anew. The files stay what
counts: what cannot be kept, or was damaged, is simply made again.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from terok_util.errors import TerokError
from terok_util.files.reading import read_private
from terok_util.files.writing import ensure_dir, write_sensitive_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

MAX_BYTES = 4 * 1024 * 1024
_KIND = "="
"""The key that says what a JSON object stands for; one without it is a plain mapping, and an array a tuple."""


def remembered(
    file: Path,
    make: Callable[[], Any],
    *,
    sources: Iterable[tuple[str, bytes]],
    kinds: Mapping[str, type],
    code: Iterable[Path],
) -> Any:
    """Return what `make` returns, or what it returned in an earlier process from the same sources.

    `sources` are names and contents of everything the value depends on, `code` the modules that make it, `kinds` the
    dataclasses that occur in it, by name. The value consists of these and of tuples, lists, dicts and JSON's scalars.
    `file` is written below a directory that exists already, for us alone; a value with anything else in it is not kept.
    What `make` raises passes.
    """
    key = _digest(sources, code)
    kept = _read(file)
    if kept is not None and kept.get("key") == key:
        with suppress(KeyError, TypeError, ValueError, RecursionError):
            return thawed(kept["value"], kinds)
    value = make()
    if file.parent.parent.is_dir():
        with suppress(TerokError, OSError, TypeError, RecursionError):
            ensure_dir(file.parent)
            text = json.dumps({"key": key, "value": frozen(value)}, separators=(",", ":"))
            write_sensitive_file(file, text, durable=False)
    return value


def frozen(value: Any) -> Any:
    """Return `value` as JSON values that `thawed` makes it of again; TypeError for what JSON cannot say."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, tuple):
        return [frozen(item) for item in value]
    if isinstance(value, list):
        return {_KIND: "[]", "items": [frozen(item) for item in value]}
    if isinstance(value, dict):
        if _KIND not in value and all(isinstance(key, str) for key in value):
            return {key: frozen(item) for key, item in value.items()}
        return {_KIND: "{}", "items": [[frozen(key), frozen(item)] for key, item in value.items()]}
    if is_dataclass(value):
        said = {one.name: frozen(getattr(value, one.name)) for one in fields(value)}
        return {_KIND: type(value).__name__, **said}
    raise TypeError(f"a {type(value).__name__} cannot be kept")


def thawed(node: Any, kinds: Mapping[str, type]) -> Any:
    """Return the value that `frozen` made these JSON values of; KeyError or TypeError if it did not."""
    if isinstance(node, list):
        return tuple([thawed(item, kinds) for item in node])
    if not isinstance(node, dict):
        return node
    kind = node.get(_KIND)
    if kind is None:
        return {key: thawed(item, kinds) for key, item in node.items()}
    if kind == "[]":
        return [thawed(item, kinds) for item in node["items"]]
    if kind == "{}":
        return {thawed(key, kinds): thawed(item, kinds) for key, item in node["items"]}
    return kinds[kind](**{key: thawed(item, kinds) for key, item in node.items() if key != _KIND})


def _digest(sources: Iterable[tuple[str, bytes]], code: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    parts = [part for name, content in sources for part in (name.encode("utf-8", "surrogateescape"), content)]
    for path in code:
        info = path.stat()
        parts.append(f"{path} {info.st_mtime_ns} {info.st_size}".encode("utf-8", "surrogateescape"))
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _read(file: Path) -> dict[str, Any] | None:
    """Return a kept document that nobody but us can have written, None without one."""
    try:
        kept = json.loads(read_private(file, MAX_BYTES, forbidden=0o022))
    except (OSError, ValueError, RecursionError):
        return None
    return kept if isinstance(kept, dict) else None
