"""Reads a text file that a person named."""

from __future__ import annotations

from pathlib import Path

from terok_util import TerokError, read_file

from terok_executor.errors import RequestError


def read_text(
    path: Path, limit: int, *, what: str = "", error: type[TerokError] = RequestError, hint: str | None = None
) -> str:
    """Return the text of a UTF-8 file of at most `limit` bytes.

    Raises `error` with `hint`, whose message begins with `what` (the path by default), if there is none.
    """
    return decoded(what or str(path), read_bytes(path, limit, what=what, error=error, hint=hint), error, hint)


def read_bytes(
    path: Path, limit: int, *, what: str = "", error: type[TerokError] = RequestError, hint: str | None = None
) -> bytes:
    """Return the content of a file of at most `limit` bytes; raises as `read_text` does."""
    try:
        return read_file(path, limit)
    except OSError as failure:
        raise error(f"{what or path}: cannot be read: {failure.strerror}", hint=hint) from None


def decoded(what: str, data: bytes, error: type[TerokError] = RequestError, hint: str | None = None) -> str:
    """Return UTF-8 as text; raises `error`, with a message that begins with `what`, for anything else."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise error(f"{what}: cannot be read: it is not UTF-8", hint=hint) from None
