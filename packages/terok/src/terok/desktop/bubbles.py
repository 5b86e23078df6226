"""Notifications of the desktop: one per task, gone when the task is seen or goes on."""

from __future__ import annotations

import html
import logging
import secrets
from typing import TYPE_CHECKING, Final

from terok.integrations.sandbox import Desktop, DesktopUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from terok.desktop.notices import Notice

SEEN: Final = "seen"
_CATEGORY: Final = "x-terok.task"
_MARKUP: Final = str.maketrans({"<": "(", ">": ")", "&": "+"})
_log = logging.getLogger(__name__)


class Bubbles:
    """Shows notices while there is a desktop; `on_seen` gets the task whose notification a person has pressed."""

    def __init__(self, on_seen: Callable[[str], None]) -> None:
        self._on_seen = on_seen
        self._desktop: Desktop | None = None
        self._shown: dict[str, tuple[int, str]] = {}

    async def show(self, notice: Notice) -> bool:
        """Show a notice in the place of the task's last one; returns whether somebody shows it."""
        try:
            desktop = await self._connected()
            number, _ = self._shown.get(notice.task, (0, ""))
            # An old button must not answer for what is shown in its place.
            nonce = secrets.token_hex(8)
            able = "actions" in desktop.capabilities
            buttons = [(f"{nonce}:{SEEN}", "Seen")] if able else []
            rich = "body-markup" in desktop.capabilities
            body = html.escape(notice.body) if rich else notice.body.translate(_MARKUP)
            summary = notice.summary.translate(_MARKUP)
            number = await desktop.show(
                summary, body, buttons, replaces=number, urgent=notice.urgent, category=_CATEGORY
            )
        except DesktopUnavailable as error:
            _log.info("%s", error.message)
            await self.close()
            return False
        self._shown[notice.task] = (number, nonce)
        return True

    async def withdraw(self, task: str) -> None:
        """Close the notification of a task, if there is one."""
        shown = self._shown.pop(task, None)
        if shown is not None and self._desktop is not None:
            await self._desktop.withdraw(shown[0])

    async def close(self) -> None:
        """Leave the desktop; what is shown stays."""
        self._shown.clear()
        desktop, self._desktop = self._desktop, None
        if desktop is not None:
            desktop.close()

    async def _connected(self) -> Desktop:
        if self._desktop is not None and self._desktop.lost.is_set():
            await self.close()
        if self._desktop is None:
            desktop = Desktop(self._pressed, self._closed)
            try:
                await desktop.connect()
            except DesktopUnavailable:
                desktop.close()
                raise
            self._desktop = desktop
        return self._desktop

    def _pressed(self, number: int, key: str) -> None:
        for task, (shown, nonce) in self._shown.items():
            if shown == number and key == f"{nonce}:{SEEN}":
                self._on_seen(task)
                return

    def _closed(self, number: int) -> None:
        self._shown = {task: shown for task, shown in self._shown.items() if shown[0] != number}
