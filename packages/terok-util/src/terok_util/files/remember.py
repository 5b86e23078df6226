"""Cache of values that are costly to make from files, for the next process.

Parsing and validating a configuration takes longer than most commands do. The result is kept beside a digest of
everything it was made from, so that a changed file, or another version of the code, is read again. A value that cannot
be kept, or whose file was damaged, is made again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from terok_util.errors import TerokError
from terok_util.files.reading import read_private
from terok_util.files.writing import ensure_dir, write_sensitive_file
from terok_util.json_objects import json_object

try:
    # Of hashlib, but without OpenSSL, which that loads and which takes longer than all that is kept here.
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

MAX_BYTES = 4 * 1024 * 1024
_KIND = "="
"""The key with the type of a JSON object; an object without it is a plain mapping, and an array a tuple."""


def remembered(
    file: Path,
    make: Callable[[], Any],
    *,
    sources: Iterable[tuple[str, bytes]],
    kinds: Mapping[str, type],
    code: Iterable[Path],
) -> Any:
    """Return the value that `make` returns, or returned in an earlier process from the same sources.

    A value of `kinds` (dataclasses by name), tuples, lists, dicts and JSON's scalars is kept in `file`, private, whose
    parent is created if the directory above it exists. `sources` are names and contents of everything it depends on,
    `code` the modules that make it. Exceptions of `make` pass through.
    """
    key = _digest(sources, code)
    kept = _read(file)
    if kept is not None and kept.get("key") == key:
        with suppress(KeyError, TypeError, ValueError, RecursionError):
            return thawed(kept["value"], kinds)
    value = make()
    if file.parent.parent.is_dir():  # a command that only reads does not create the state directory
        with suppress(TerokError, OSError, TypeError, RecursionError):
            ensure_dir(file.parent)
            text = json.dumps({"key": key, "value": frozen(value)}, separators=(",", ":"))
            write_sensitive_file(file, text, durable=False)
    return value


def frozen(value: Any) -> Any:
    """Return `value` as JSON values from which `thawed` makes it again; TypeError for any other type."""
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
        items = {field.name: frozen(getattr(value, field.name)) for field in fields(value)}
        return {_KIND: type(value).__name__, **items}
    raise TypeError(f"cannot keep a {type(value).__name__}")


def thawed(node: Any, kinds: Mapping[str, type]) -> Any:
    """Return the value from which `frozen` made these JSON values; KeyError or TypeError if it did not."""
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
    digest = blake2b()
    parts = [part for name, content in sources for part in (name.encode("utf-8", "surrogateescape"), content)]
    for path in code:
        info = path.stat()
        parts.append(f"{path} {info.st_mtime_ns} {info.st_size}".encode("utf-8", "surrogateescape"))
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _read(file: Path) -> dict[str, Any] | None:
    """Return the kept document; None if there is none, or if another user could have written it."""
    try:
        return json_object(read_private(file, MAX_BYTES, forbidden=0o022))
    except OSError:
        return None
