"""Audit logs: one JSON object per line, appended whole, never rewritten, each row bound to the one before it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import json.encoder
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from time import time_ns
from typing import Any, BinaryIO, Final

from terok_util import json_object

from terok_sandbox.errors import AuditError

MAX_TEXT: Final = 4096
"""Characters kept of a string field: rows quote names that a container chose."""
MAX_BYTES: Final = 64 * 1024 * 1024
"""Size at which a log is moved aside to `<name>.1`, replacing the one before it."""

MAX_TAIL: Final = 8 * 1024 * 1024
"""How far from the end of a file its last whole row is looked for."""
GENESIS: Final = "0" * 64
"""`prev` of a log's first row."""
RESUMED: Final = "log_resumed"
REPLACED: Final = "log_replaced"
"""The row behind which a file goes on that was taken away or exchanged under its writer."""

_ROW_END = re.compile(rb',"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}\r?\n?\Z')
_CHAIN_BYTES: Final = len(',"prev":"","hash":""}\n') + 2 * 64


def _encoder() -> Callable[[Any], str]:
    """Return what writes a row as JSON; `JSONEncoder.encode` makes the encoder below anew for each row."""
    plain = json.JSONEncoder(separators=(",", ":"), default=str)
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return plain.encode
    write = make(None, str, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, True)
    return lambda row: "".join(write(row, 0))


_encode = _encoder()


def timestamp() -> str:
    """Return the time now as RFC 3339 in UTC with milliseconds."""
    milliseconds = time_ns() // 1_000_000
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    """Return a second since the epoch as RFC 3339 in UTC; many rows fall into one."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


class AuditLog:
    """Append-only log of one container, its rows chained by SHA-256.

    Each row ends with `prev`, the hash of the row before it, and `hash`, the SHA-256 of the row's own bytes up to
    there. A file that is moved away or exchanged while it is written to is noticed before the next row: that stands in
    the new file, behind one that says so and does not fit. With `durable=True` a row is on disk when `append` returns;
    without, it is in the kernel's hands. A second process that writes waits its turn and continues the chain.
    """

    def __init__(self, path: Path, *, container: str = "", durable: bool = False, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._name = os.fspath(path)
        self._container = container
        self._durable = durable
        self._max_bytes = max_bytes
        self._fd = -1
        self._size = -1
        self._identity = (-1, -1)
        self._head = GENESIS

    def append(self, action: str, **fields: object) -> None:
        """Write one row: `time`, `container`, `action` and `fields` (JSON values; text is cut at 4096).

        On an `AuditError` it was not written whole: a caller that must log before it acts then does not act.
        """
        self.append_rows((self.row(action, fields),))

    def row(self, action: str, fields: dict[str, object]) -> str:
        """Return a row of this moment, for `append_rows`."""
        row: dict[str, object] = {"time": timestamp(), "container": self._container, "action": action, **fields}
        body = _encode(row)[:-1]
        if len(body) <= MAX_TEXT:
            return body
        for key, value in fields.items():
            row[key] = value[:MAX_TEXT] + "…" if type(value) is str and len(value) > MAX_TEXT else value
        return _encode(row)[:-1]

    def append_rows(self, rows: Sequence[str]) -> None:
        """Write rows with one call to the kernel; raises `AuditError` when they could not be written whole."""
        try:
            self._ready(sum([len(row) + _CHAIN_BYTES for row in rows]))
            try:
                self._write(rows)
            finally:
                if self._fd >= 0:
                    fcntl.flock(self._fd, fcntl.LOCK_UN)
            if self._durable:
                os.fdatasync(self._fd)
        except OSError as error:
            self.close()
            raise AuditError(f"{self._path}: {error.strerror or error}", hint="free some disk space") from error

    def close(self) -> None:
        """Close the file; a later `append` opens it again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, rows: Sequence[str]) -> None:
        head, lines = self._head, []
        for row in rows:
            signed = f'{row},"prev":"{head}"'
            head = hashlib.sha256(signed.encode("ascii")).hexdigest()
            lines.append(f'{signed},"hash":"{head}"}}\n')
        data = "".join(lines).encode("ascii")
        if os.write(self._fd, data) != len(data):
            raise AuditError(f"{self._path}: an audit row was written only in part", hint="free some disk space")
        self._head = head
        self._size += len(data)

    def _ready(self, coming: int) -> None:
        """Leave the file open, locked, and known to its last row."""
        while True:
            if self._fd < 0:
                self._open()
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            if self._unchanged(coming):
                return
            info = os.fstat(self._fd)
            if not info.st_mode & stat.S_IWUSR:  # another process has moved it aside
                self.close()
                continue
            if info.st_size != self._size:
                self._resume(info.st_size)
            if not self._in_place(info):
                self._start_over()
                continue
            if self._size + coming <= self._max_bytes or self._size == 0:
                return
            os.fdatasync(self._fd)
            self._path.replace(rotated(self._path))
            os.fchmod(self._fd, 0o400)
            self.close()

    def _unchanged(self, coming: int) -> bool:
        """Tell whether the log's name leads to the open file, just as the last row left it, with room for more."""
        try:
            info = os.lstat(self._name)
        except OSError:
            return False
        return (
            info.st_size == self._size
            and (info.st_ino, info.st_dev) == self._identity
            and bool(info.st_mode & stat.S_IWUSR)
            and self._size + coming <= self._max_bytes
        )

    def _in_place(self, info: os.stat_result) -> bool:
        """Tell whether the open file is the one that has the log's name."""
        try:
            return os.path.samestat(info, os.lstat(self._name))
        except FileNotFoundError:
            return False

    def _start_over(self) -> None:
        """Go on in the file that has the log's name now, with a row that shows the break."""
        if not self._path.parent.is_dir():
            raise AuditError(f"{self._path}: its directory is gone", hint="run `terok-sandbox doctor`")
        import logging

        logging.getLogger(__name__).error("%s was moved away or exchanged while it was written to", self._path)
        head = self._head
        self.close()
        self._open()
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        self._resume(os.fstat(self._fd).st_size)
        self._head = head
        row = {"time": timestamp(), "container": self._container, "action": REPLACED}
        self._write((_encode(row)[:-1],))

    def _open(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        self._fd = os.open(self._path, flags, 0o600)
        self._size = -1
        info = os.fstat(self._fd)
        if not stat.S_ISREG(info.st_mode) or info.st_uid != os.geteuid():
            self.close()
            raise AuditError(f"{self._path}: not a regular file of this user", hint="move it away and try again")
        self._identity = (info.st_ino, info.st_dev)

    def _resume(self, size: int) -> None:
        """Take up the chain where the file, or the part moved aside before it, ends."""
        self._size = size
        if size == 0:
            self._head = _head_of(rotated(self._path))
            return
        complete, torn = _last_lines(self._fd, size)
        self._head = row_hash(torn) or row_hash(complete) or GENESIS
        if torn:
            if os.write(self._fd, b"\n") != 1:
                raise AuditError(f"{self._path}: cannot be written", hint="free some disk space")
            self._size += 1
            if row_hash(torn) is None:
                row = {"time": timestamp(), "container": self._container, "action": RESUMED, "torn_bytes": len(torn)}
                self._write((_encode(row)[:-1],))


def row_hash(line: bytes) -> str | None:
    """Return the hash a row claims, `None` for a line without one."""
    match = _ROW_END.search(line)
    return None if match is None else match[2].decode("ascii")


def row_prev(line: bytes) -> str | None:
    """Return the hash of the row before, as a row claims it."""
    match = _ROW_END.search(line)
    return None if match is None else match[1].decode("ascii")


def _head_of(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return GENESIS
    try:
        complete, torn = _last_lines(descriptor, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)
    return row_hash(torn) or row_hash(complete) or GENESIS


def _last_lines(descriptor: int, size: int) -> tuple[bytes, bytes]:
    """Return the last chained line of a file that ends with a newline, and what stands after the last newline."""
    block = 16 * 1024
    while True:
        start = max(0, size - block)
        data = os.pread(descriptor, size - start, start)
        *lines, torn = data.split(b"\n")
        complete = next((line for line in reversed(lines[0 if start == 0 else 1 :]) if row_hash(line)), None)
        if complete is not None or start == 0 or block >= MAX_TAIL:
            return complete or b"", torn
        block *= 8


def rotated(path: Path) -> Path:
    """Return where the older part of the log at `path` is kept."""
    return path.with_name(path.name + ".1")


def read_audit(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a log, oldest first, the part moved aside included; a missing log has none.

    A line that is no JSON object is yielded as `{"action": "unreadable", "line": N}`, so that a loss is visible.
    """
    for part in (rotated(path), path):
        try:
            lines = part.open("r", encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue
        with lines:
            for number, line in enumerate(lines, 1):
                yield _row(line, number)


def follow_audit(path: Path, *, poll: float = 0.25) -> Iterator[dict[str, Any]]:
    """Yield the rows added to a log from now on, until its directory is gone, looking every `poll` seconds."""
    log: BinaryIO | None = None
    with ExitStack() as opened:
        if path.exists():
            log = opened.enter_context(path.open("rb"))
            log.seek(0, os.SEEK_END)
        while path.parent.is_dir():
            with suppress(FileNotFoundError):
                here = path.stat()
                moved = log is None or not os.path.samestat(os.fstat(log.fileno()), here)
                yield from () if log is None else _added(log)
                if moved:
                    opened.close()
                    log = opened.enter_context(path.open("rb"))
                    yield from _added(log)
            time.sleep(poll)


def _added(log: BinaryIO) -> Iterator[dict[str, Any]]:
    while (line := log.readline()).endswith(b"\n"):
        yield _row(line.decode("utf-8", "replace"), 0)
    log.seek(-len(line), os.SEEK_CUR)


def _row(line: str, number: int) -> dict[str, Any]:
    row = json_object(line)
    return {"action": "unreadable", "line": number} if row is None else row
