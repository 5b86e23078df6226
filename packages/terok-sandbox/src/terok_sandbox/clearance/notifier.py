"""The per-user notifier: requests of all containers as desktop notifications, a few at a time, Deny first."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from terok_util import TerokError

from terok_sandbox.clearance.client import MultiSocketSubscriber
from terok_sandbox.clearance.desktop import Desktop, DesktopUnavailable
from terok_sandbox.clearance.events import ClearanceEvent
from terok_sandbox.clearance.model import ClearanceRequest, Verdict
from terok_sandbox.clearance.present import body, headline, plain
from terok_sandbox.config import SandboxConfig

_log = logging.getLogger(__name__)

MAX_SHOWN: Final = 4  # notifications at the same time; the last one counts the questions without one
DEBOUNCE: Final = 0.7
"""Seconds after it appeared in which a notification cannot be allowed: a click meant for what was there before."""
RETRY: Final = 15.0
_REMEMBERED: Final = 1024

CHOICES: Final[tuple[tuple[str, str, Verdict], ...]] = (
    ("deny", "Deny", Verdict("deny")),
    ("once", "Allow once", Verdict("allow")),
    ("minutes", "Allow 10 minutes", Verdict("allow", "minutes", 10)),
    ("task", "Allow for this task", Verdict("allow", "task")),
)
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Bubble:
    """A shown notification: its id at the daemon, the nonce of its action keys, and since when it can be seen."""

    number: int
    nonce: str
    since: float
    request: ClearanceRequest


def actions(nonce: str) -> list[tuple[str, str]]:
    """Return the buttons of a notification; keys that do not hold its `nonce` do nothing."""
    return [(f"{nonce}:{key}", label) for key, label, _ in CHOICES]


def chosen(key: str, nonce: str) -> Verdict | None:
    """Return the verdict of the action `key`, `None` when it is not one of the notification with `nonce`."""
    given, _, choice = key.partition(":")
    if not hmac.compare_digest(given.encode("utf-8", "replace"), nonce.encode()):
        return None
    return next((verdict for name, _, verdict in CHOICES if name == choice), None)


class Notifier:
    """Turns events into notifications and pressed buttons into verdicts; `clock` is monotonic, in seconds."""

    def __init__(self, subscriber: MultiSocketSubscriber, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._subscriber = subscriber
        self._clock = clock
        self._bubbles: dict[Key, Bubble] = {}
        self._dismissed: dict[Key, None] = {}
        self._acts: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self.desktop = Desktop(self._pressed, self._closed)

    async def follow(self) -> None:
        """Show events until the desktop is gone; raises `DesktopUnavailable`."""
        while True:
            await self._take(await self._subscriber.next_event())

    async def leave(self) -> None:
        """Withdraw all notifications: waiting questions stay denied."""
        for task in self._acts:
            task.cancel()
        for bubble in list(self._bubbles.values()):
            await self.desktop.withdraw(bubble.number)
        self.desktop.close()

    async def _take(self, event: ClearanceEvent) -> None:
        async with self._turn:
            if event.kind == "resolved":
                await self._withdraw((event.container, event.request_id))
            elif event.kind == "gone":
                for key in [key for key in self._bubbles if key[0] == event.container]:
                    await self._withdraw(key)
            elif event.kind == "request" and event.request is not None:
                key = (event.container, event.request.id)
                if key in self._bubbles:
                    await self._show(event.request)
            await self._fill()

    async def _fill(self) -> None:
        for request in self._subscriber.waiting:
            key = (request.container, request.id)
            if len(self._bubbles) >= MAX_SHOWN:
                return
            if key not in self._bubbles and key not in self._dismissed:
                await self._show(request)

    async def _show(self, request: ClearanceRequest, *, anew: bool = False, note: str = "") -> None:
        key = (request.container, request.id)
        old = self._bubbles.get(key)
        # Old buttons must not answer the question that is shown in their place.
        nonce = secrets.token_hex(8) if old is None or anew else old.nonce
        since = self._clock() if old is None or anew else old.since
        able = "actions" in self.desktop.capabilities
        text = plain(f"NOT DONE: {note}") + "\n" if note else ""
        text += body(request, markup="body-markup" in self.desktop.capabilities)
        if not able:
            text += f"\nanswer: terok-sandbox clearance allow {request.id}"
        more = len(self._subscriber.waiting) - MAX_SHOWN
        summary = plain(headline(request)) + (f" ({more} more wait)" if more > 0 else "")
        buttons = actions(nonce) if able else []
        number = await self.desktop.show(summary, text, buttons, replaces=0 if old is None else old.number)
        self._bubbles[key] = Bubble(number, nonce, since, request)

    async def _withdraw(self, key: Key) -> None:
        bubble = self._bubbles.pop(key, None)
        self._dismissed.pop(key, None)
        if bubble is not None:
            await self.desktop.withdraw(bubble.number)

    def _pressed(self, number: int, key: str) -> None:
        bubble = next((shown for shown in self._bubbles.values() if shown.number == number), None)
        verdict = None if bubble is None else chosen(key, bubble.nonce)
        if bubble is None or verdict is None:
            _log.warning("an action that was not offered is ignored")
            return
        task = asyncio.create_task(self._act(bubble, verdict))
        self._acts.add(task)
        task.add_done_callback(self._acts.discard)

    async def _act(self, bubble: Bubble, verdict: Verdict) -> None:
        early, failed = verdict.allowed and self._clock() - bubble.since < DEBOUNCE, ""
        try:
            if not early:
                try:
                    return await self._subscriber.decide(bubble.request, verdict)
                except TerokError as error:
                    failed = error.message
                    _log.warning("%s: %s", bubble.request.id, failed)
            if any(request.id == bubble.request.id for request in self._subscriber.waiting):
                async with self._turn:  # what was pressed had no effect, and the question still waits
                    await self._show(bubble.request, anew=True, note=failed)
        except DesktopUnavailable:
            self.desktop.lost.set()

    def _closed(self, number: int) -> None:
        """Forget a notification that a person has put away: its question stays denied and is not shown again."""
        key = next((key for key, bubble in self._bubbles.items() if bubble.number == number), None)
        if key is not None:
            del self._bubbles[key]
            self._dismissed[key] = None
            while len(self._dismissed) > _REMEMBERED:
                del self._dismissed[next(iter(self._dismissed))]


async def run_notifier(config: SandboxConfig, stop: asyncio.Event) -> None:
    """Serve until `stop`. Without a notification daemon it only looks for one: no name is held for nobody."""
    stopping = asyncio.create_task(stop.wait())
    while not stop.is_set():
        try:
            await _session(config, stopping)
        except DesktopUnavailable as error:
            _log.info("%s", error.message)
        await asyncio.wait({stopping}, timeout=RETRY)


async def _session(config: SandboxConfig, stopping: asyncio.Task[bool]) -> None:
    subscriber = MultiSocketSubscriber(config, answers=True)
    notifier = Notifier(subscriber)
    try:
        await notifier.desktop.connect()
        async with subscriber:
            follow = asyncio.create_task(notifier.follow())
            lost = asyncio.create_task(notifier.desktop.lost.wait())
            await asyncio.wait({follow, lost, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in (follow, lost):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
    finally:
        await notifier.leave()
