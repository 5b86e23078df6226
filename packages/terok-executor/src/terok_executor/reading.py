"""Reads a text file that a person named."""

from __future__ import annotations

from pathlib import Path

from terok_util import TerokError, read_file

from terok_executor.errors import RequestError


def read_text(
    path: Path, limit: int, *, what: str = "", error: type[TerokError] = RequestError, hint: str | None = None
) -> str:
    """Return the text of a UTF-8 file of at most ``limit`` bytes.

    Raises ``error`` with ``hint``, whose message begins with ``what`` (the path by default), if there is none.
    """
    try:
        return read_file(path, limit).decode("utf-8")
    except OSError as failure:
        reason = f"cannot be read: {failure.strerror}"
    except UnicodeDecodeError:
        reason = "cannot be read: it is not UTF-8"
    raise error(f"{what or path}: {reason}", hint=hint)
