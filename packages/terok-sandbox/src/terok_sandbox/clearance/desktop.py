"""Desktop notifications over D-Bus (org.freedesktop.Notifications): every call bounded, every signal checked.

A signal counts only if it comes from the connection that took the notification, so that no other program on the bus
can press a button.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusError

from terok_sandbox.clearance.errors import ClearanceError

_log = logging.getLogger(__name__)

NAME: Final = "org.freedesktop.Notifications"
PATH: Final = "/org/freedesktop/Notifications"
CALL_TIMEOUT: Final = 3.0
_BUS: Final = "org.freedesktop.DBus"
_BUS_PATH: Final = "/org/freedesktop/DBus"
_NORMAL, _CRITICAL = 1, 2


class DesktopUnavailable(ClearanceError):
    """The session bus is missing, or nobody on it shows notifications."""


class Desktop:
    """A connection to the notification daemon; `on_action` gets id and action key, `on_closed` the id."""

    def __init__(self, on_action: Callable[[int, str], None], on_closed: Callable[[int], None]) -> None:
        self._on_action = on_action
        self._on_closed = on_closed
        self._bus: MessageBus | None = None
        self._owner = ""
        self.capabilities: frozenset[str] = frozenset()
        self.lost = asyncio.Event()  # set when the daemon or the bus has gone

    async def connect(self) -> None:
        """Connect and ask what the daemon can do; raises `DesktopUnavailable`, never waits for one to come."""
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                self._bus = await MessageBus(bus_type=BusType.SESSION).connect()
        except (OSError, TimeoutError, DBusError, ValueError, EOFError) as error:
            raise DesktopUnavailable(f"no session bus: {error}", hint=_HINT) from error
        self._bus.add_message_handler(self._handle)
        # Before the first notification: an answer may come at once.
        for rule in (
            f"type='signal',interface='{NAME}',path='{PATH}'",
            f"type='signal',sender='{_BUS}',member='NameOwnerChanged',arg0='{NAME}'",
        ):
            await self._call(_BUS, _BUS_PATH, _BUS, "AddMatch", "s", [rule])
        reply = await self._call(NAME, PATH, NAME, "GetCapabilities")
        self.capabilities = frozenset(name for name in reply.body[0] if isinstance(name, str))
        self._owner = reply.sender or ""

    async def show(
        self,
        summary: str,
        body: str,
        actions: Sequence[tuple[str, str]],
        *,
        replaces: int = 0,
        urgent: bool = True,
        category: str = "x-terok.clearance",
    ) -> int:
        """Show a notification with buttons (key, label) that stays, and return its id; raises `DesktopUnavailable`."""
        hints = {"urgency": Variant("y", _CRITICAL if urgent else _NORMAL), "category": Variant("s", category)}
        flat = [text for pair in actions for text in pair]
        values = ["terok", replaces, "dialog-question", summary, body, flat, hints, 0]
        reply = await self._call(NAME, PATH, NAME, "Notify", "susssasa{sv}i", values)
        self._owner = reply.sender or ""
        return int(reply.body[0])

    async def withdraw(self, number: int) -> None:
        """Close a notification, if it is still open."""
        with suppress(DesktopUnavailable):
            await self._call(NAME, PATH, NAME, "CloseNotification", "u", [number])

    def close(self) -> None:
        """Leave the bus."""
        if self._bus is not None:
            self._bus.disconnect()
            self._bus = None

    async def _call(
        self, destination: str, path: str, interface: str, member: str, signature: str = "", body: Sequence[Any] = ()
    ) -> Message:
        if self._bus is None:
            raise DesktopUnavailable("not connected to a session bus", hint=_HINT)
        message = Message(destination, path, interface, member, signature=signature, body=list(body))
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                reply = await self._bus.call(message)
        except (OSError, TimeoutError, DBusError, EOFError) as error:
            raise DesktopUnavailable(f"the notification daemon does not answer: {error}", hint=_HINT) from error
        if reply.message_type is not MessageType.METHOD_RETURN:
            raise DesktopUnavailable(f"nobody shows notifications: {reply.error_name}", hint=_HINT)
        return reply

    def _handle(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        if message.sender == _BUS and message.member == "NameOwnerChanged":
            if message.body[:1] == [NAME] and message.body[1:2] == [self._owner]:
                self.lost.set()
            return
        if message.interface != NAME or message.path != PATH or message.sender != self._owner:
            return
        if message.member == "ActionInvoked" and message.signature == "us":
            self._on_action(*message.body)
        elif message.member == "NotificationClosed" and message.signature == "uu":
            self._on_closed(message.body[0])


_HINT: Final = "answer in a terminal instead: `terok-sandbox clearance`"
