"""Reads a text file that a person named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from terok_util import TerokError, read_file

from terok_executor.errors import ExecutorError, RequestError

Value = TypeVar("Value")


def read_text(
    path: Path, limit: int, *, what: str = "", raises: type[TerokError] = RequestError, hint: str | None = None
) -> str:
    """Return the text of a UTF-8 file of at most `limit` bytes.

    Raise `raises` with `hint`, whose message begins with `what` (the path by default), if it cannot be read.
    """
    return decoded(what or str(path), read_bytes(path, limit, what=what, raises=raises, hint=hint), raises, hint)


def read_bytes(
    path: Path, limit: int, *, what: str = "", raises: type[TerokError] = RequestError, hint: str | None = None
) -> bytes:
    """Return the content of a file of at most `limit` bytes; raises as `read_text` does."""
    try:
        return read_file(path, limit)
    except OSError as error:
        raise raises(f"{what or path}: cannot be read: {error.strerror}", hint=hint) from None


def load_value(kind: Callable[..., Value], path: Path, *, what: str = "", hint: str) -> Value | None:
    """Return the value whose fields a JSON file of ours holds; None without one, ExecutorError if it is damaged."""
    try:
        return kind(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ExecutorError(f"{what}{path} cannot be read: {error}", hint=hint) from None


def decoded(what: str, data: bytes, raises: type[TerokError] = RequestError, hint: str | None = None) -> str:
    """Return UTF-8 as text; raise `raises`, with a message that begins with `what`, for anything else."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise raises(f"{what}: cannot be read: it is not UTF-8", hint=hint) from None
