"""Waiting for changes of files without looking at them again and again (inotify)."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODIFIED: Final = 0x2
TOUCHED: Final = 0x4
"""Times, mode or owner have changed."""
MOVED_TO: Final = 0x80
CREATED: Final = 0x100
DELETED: Final = 0x200
_DELETED_SELF, _MOVED_SELF, _UNMOUNTED, _ENDED, _NOT_THROUGH_LINKS = 0x400, 0x800, 0x2000, 0x8000, 0x2000000
_OVERFLOW: Final = -1
GONE: Final = _DELETED_SELF | _MOVED_SELF | _UNMOUNTED | _ENDED
"""The watched file or directory itself was removed, moved or unmounted, or its watch ended."""
Changed: TypeAlias = "Callable[[int, str], None]"
"""Gets what happened, as a mask, and to which file of a directory."""
_HEAD: Final = struct.Struct("iIII")
_BUFFER: Final = 64 * 1024

_libc = ctypes.CDLL(None, use_errno=True)


class Watcher:
    """Watches files and directories; readable (`fileno`) when something has changed, for `tell`."""

    def __init__(self) -> None:
        self._calls: dict[int, Changed] = {}
        self._descriptor = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._descriptor < 0:
            raise _failed()

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return int(self._descriptor)

    def watch(self, path: Path, mask: int, call: Changed, *, links: bool = False) -> int:
        """Have `call` told the changes of `mask`, and `GONE`, and return the number of the watch; OSError.

        A link at `path` is followed only with `links`.
        """
        flags = mask | _DELETED_SELF | _MOVED_SELF | (0 if links else _NOT_THROUGH_LINKS)
        number = _libc.inotify_add_watch(self._descriptor, os.fsencode(path), flags)
        if number < 0:
            raise _failed()
        self._calls[number] = call
        return int(number)

    def forget(self, number: int) -> None:
        """End a watch."""
        if self._calls.pop(number, None) is not None:
            _libc.inotify_rm_watch(self._descriptor, number)

    def tell(self) -> None:
        """Tell what has changed since the last call, each kind of change of one name once."""
        changes: dict[tuple[int, int, str], None] = {}
        while True:
            try:
                data = os.read(self._descriptor, _BUFFER)
            except BlockingIOError:
                break
            place = 0
            while place < len(data):
                number, mask, _, size = _HEAD.unpack_from(data, place)
                place += _HEAD.size
                changes[number, mask, os.fsdecode(data[place : place + size].rstrip(b"\0"))] = None
                place += size
        if any(number == _OVERFLOW for number, _, _ in changes):  # some were lost: everything may have changed
            for call in list(self._calls.values()):
                call(MODIFIED, "")
        for number, mask, name in changes:
            told = self._calls.get(number)
            if told is not None:
                told(mask, name)
            if mask & _ENDED:
                self._calls.pop(number, None)

    def close(self) -> None:
        """End all watches."""
        os.close(self._descriptor)


def _failed() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
