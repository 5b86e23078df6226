"""Follows a running container's output in the file that Podman's monitor writes, and sees its end at once.

`podman logs --follow` looks at that file four times a second, and tells of a container's end half a second late.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from terok_util.process.lines import LineSplitter
from terok_util.redaction import redact

from terok_sandbox.descriptors import is_readable

SOONEST: Final = 0.02
LATEST: Final = 0.2
"""Seconds between two looks at the file: soon after something was said, later while nothing is."""
_CHUNK: Final = 65536
_LONGEST: Final = 1024 * 1024  # bytes of one entry; the monitor writes at most a few thousand


class Monitored(NamedTuple):
    """A container that runs, or has ended (`pid` 0, `exit_code` known): its log, first process and monitor."""

    log: Path
    pid: int
    monitor: int
    exit_code: int | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Monitored | None:
        """Read a row of `podman container inspect`; None if it never ran, or its log cannot be read here."""
        try:
            state, kept = row["State"], row["HostConfig"]["LogConfig"]
            code = int(state["ExitCode"]) if state["Status"] in ("exited", "stopped") else None
            pid = 0 if code is not None else int(state["Pid"])
            found = cls(Path(str(kept["Path"])), pid, int(state.get("ConmonPid") or 0), code)
            usable = kept["Type"] == "k8s-file" and (pid or code is not None) and os.access(found.log, os.R_OK)
        except (KeyError, TypeError, ValueError):
            return None
        return found if usable else None

    def open(self) -> int | None:
        """Return a pidfd of the first process; None if it has ended."""
        return open_child(self.pid, self.monitor)


class ContainerOutput:
    """Reads entries `TIME STREAM TAG TEXT` as the monitor writes them, and calls `on_line` for every line.

    A line comes in entries (tag `P`) up to its end (tag `F`); at its limit the file is replaced by a new one.
    """

    def __init__(self, path: Path, on_line: Callable[[str], None]) -> None:
        self._path = path
        self._file: int | None = None
        self._rest = b""
        self._streams = {name: LineSplitter(lambda line: on_line(redact(line))) for name in (b"stdout", b"stderr")}

    def read(self) -> bool:
        """Read new entries; tell whether there were any."""
        some = False
        while True:
            if self._file is None and not self._open():
                return some
            assert self._file is not None
            while data := os.read(self._file, _CHUNK):
                some = True
                self._take(data)
            if not self._replaced():
                return some
            self._close()

    def end(self) -> None:
        """Read the remaining entries, and pass on a last line without an end."""
        self.read()
        for lines in self._streams.values():
            lines.end()

    def __enter__(self) -> Self:
        """Return itself; the file is closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._close()

    def _take(self, data: bytes) -> None:
        *entries, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-_LONGEST:]
        for entry in entries:
            _, _, said = entry.partition(b" ")
            stream, _, said = said.partition(b" ")
            tag, _, text = said.partition(b" ")
            if stream in self._streams:
                self._streams[stream].feed(text if tag == b"P" else text + b"\n")

    def _open(self) -> bool:
        try:
            self._file = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        return True

    def _replaced(self) -> bool:
        assert self._file is not None
        try:
            return self._path.stat().st_ino != os.fstat(self._file).st_ino
        except OSError:
            return False

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file, self._rest = None, b""


def follow(log: ContainerOutput, process: int, *, deadline: float) -> bool:
    """Pass on entries, the last ones excepted, until the process of a pidfd ends; False if the deadline comes first."""
    pause = SOONEST
    while (left := deadline - time.monotonic()) > 0:
        if is_readable(process, min(pause, left)):
            return True
        pause = SOONEST if log.read() else min(pause * 1.5, LATEST)
    return False


def open_child(pid: int, parent: int) -> int | None:
    """Return a pidfd of process `pid` if it is a child of `parent`; None if it has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return None
    with suppress(OSError, ValueError, IndexError):
        if int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) == parent:
            return descriptor
    os.close(descriptor)  # the number is another process's by now
    return None
