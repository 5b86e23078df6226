"""Waiting for changes of files without looking at them again and again (inotify)."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

MODIFIED: Final = 0x2
MOVED_TO: Final = 0x80
CREATED: Final = 0x100
DELETED: Final = 0x200
GONE: Final = 0x400 | 0x800 | 0x2000 | 0x8000
"""The watched directory itself was removed, moved or unmounted, or its watch ended."""
_HEAD: Final = struct.Struct("iIII")
_BUFFER: Final = 64 * 1024

_libc = ctypes.CDLL(None, use_errno=True)


class Watcher:
    """Watches directories; readable (`fileno`) when something has changed in one."""

    def __init__(self) -> None:
        self._descriptor = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._descriptor < 0:
            raise _failed()

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return int(self._descriptor)

    def watch(self, directory: Path, mask: int) -> int:
        """Watch a directory for the changes of `mask` and return the number of the watch; OSError."""
        number = _libc.inotify_add_watch(self._descriptor, os.fsencode(directory), mask | 0x400 | 0x800)
        if number < 0:
            raise _failed()
        return int(number)

    def forget(self, number: int) -> None:
        """End a watch."""
        _libc.inotify_rm_watch(self._descriptor, number)

    def read(self) -> list[tuple[int, int, str]]:
        """Return the changes since the last call: number of the watch, what happened, and the file's name."""
        changes: list[tuple[int, int, str]] = []
        while True:
            try:
                data = os.read(self._descriptor, _BUFFER)
            except BlockingIOError:
                return changes
            place = 0
            while place < len(data):
                number, mask, _, size = _HEAD.unpack_from(data, place)
                place += _HEAD.size
                changes.append((number, mask, os.fsdecode(data[place : place + size].rstrip(b"\0"))))
                place += size

    def close(self) -> None:
        """End all watches."""
        os.close(self._descriptor)


def _failed() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
