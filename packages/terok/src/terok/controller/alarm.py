"""Waking at a time of the wall clock, also when the machine has slept or the clock was set (timerfd)."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_REALTIME: Final = 0
_ABSOLUTE: Final = 1
_CANCEL_ON_SET: Final = 2

_libc = ctypes.CDLL(None, use_errno=True)


class _Setting(ctypes.Structure):
    _fields_ = (("every_s", ctypes.c_long), ("every_ns", ctypes.c_long), ("s", ctypes.c_long), ("ns", ctypes.c_long))


class Alarm:
    """One time at which `ring` is called in the event loop; also called when the clock is set."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._descriptor = _libc.timerfd_create(_REALTIME, os.O_CLOEXEC | os.O_NONBLOCK)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._loop.add_reader(self._descriptor, self._rings)

    def set(self, when: float | None) -> None:
        """Ring at `when` (seconds since the epoch; at once if that is past), and no longer at what was set before.

        Without a time it does not ring.
        """
        if when is None:
            setting = _Setting()
        else:
            seconds, rest = divmod(max(when, 0.000001), 1.0)
            setting = _Setting(s=int(seconds), ns=max(1, int(rest * 1e9)))
        _libc.timerfd_settime(self._descriptor, _ABSOLUTE | _CANCEL_ON_SET, ctypes.byref(setting), None)

    def close(self) -> None:
        """Never ring again."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _rings(self) -> None:
        with suppress(OSError):  # the clock was set
            os.read(self._descriptor, 8)
        self._ring()
