"""Keeping the machine from sleeping while a task works: an inhibitor lock of logind, held as a descriptor."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Final

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusError

TIMEOUT: Final = 3.0
_LOGIND: Final = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
_log = logging.getLogger(__name__)


class Awake:
    """Holds the lock, or does not; where there is no logind, or it refuses, the machine sleeps as it likes."""

    def __init__(self) -> None:
        self._lock: int | None = None
        self._refused = False

    @property
    def held(self) -> bool:
        """Whether the machine is kept awake."""
        return self._lock is not None

    async def hold(self) -> None:
        """Take the lock, unless it is held; a refusal is logged once."""
        if self._lock is not None or self._refused:
            return
        try:
            async with asyncio.timeout(TIMEOUT):
                self._lock = await _inhibit()
        except (OSError, TimeoutError, DBusError, ValueError, EOFError) as error:
            self._refused = True
            _log.info("the machine is not kept awake: %s", error)

    def release(self) -> None:
        """Give the lock back."""
        self._refused = False
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


async def _inhibit() -> int:
    bus = await MessageBus(bus_type=BusType.SYSTEM, negotiate_unix_fd=True).connect()
    try:
        destination, path, interface = _LOGIND
        words = ["sleep", "terok", "a task works", "block"]
        message = Message(
            destination=destination, path=path, interface=interface, member="Inhibit", signature="ssss", body=words
        )
        reply = await bus.call(message)
        if reply.message_type is not MessageType.METHOD_RETURN:
            raise DBusError(reply.error_name or "", str(reply.body[0]) if reply.body else "refused")
        return int(reply.unix_fds[reply.body[0]])  # ours: the bus does not close what it has received
    finally:
        bus.disconnect()
