"""The end of a container's output with the time of each line, from the file that Podman's monitor writes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from terok_util.redaction import redact

_MAX_LINE: Final = 1024 * 1024


def dated_output(path: Path, limit: int) -> Iterator[tuple[float | None, str]]:
    """Yield the lines in the last `limit` bytes of the file, each with when it began (seconds since the epoch).

    The time is None if the monitor's cannot be read. A missing file has no lines; OSError if it cannot be read.
    """
    open_lines: dict[bytes, tuple[float | None, bytes]] = {}
    for entry in _entries(path, limit):
        written, _, rest = entry.partition(b" ")
        stream, _, rest = rest.partition(b" ")
        tag, _, text = rest.partition(b" ")
        at, begun = open_lines.pop(stream, (_moment(written), b""))
        line = (begun + text)[:_MAX_LINE]
        if tag == b"P":
            open_lines[stream] = at, line
        elif tag == b"F":
            yield at, redact(line.decode("utf-8", "surrogateescape"))
    for at, line in open_lines.values():
        yield at, redact(line.decode("utf-8", "surrogateescape"))


def _entries(path: Path, limit: int) -> Iterator[bytes]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        size = os.fstat(descriptor).st_size
        file.seek(max(0, size - limit))
        if size > limit:
            file.readline()  # a part of one
        for line in file:
            yield line.rstrip(b"\n")


def _moment(text: bytes) -> float | None:
    try:
        return datetime.fromisoformat(text.decode("ascii")).timestamp()
    except (ValueError, OverflowError):
        return None
