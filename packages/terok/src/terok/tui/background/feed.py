"""The tasks and their changes: one thread reads all of them and then the controller's events, another what they say.

News come in bunches, ten a second at most; a thread that has nothing to read sleeps.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from terok_util import TerokError, safe_text

from terok.model.task import Event
from terok.services.events import events
from terok.services.inbox import Inbox
from terok.tui.views.world import Changed, Heard, Loaded, News
from terok.wire.client import ensure_controller

if TYPE_CHECKING:
    from terok.store import Snapshot

GATHER: Final = 0.1
"""Seconds in which further changes join the first."""
RETRIES: Final = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Seconds until a controller that could not be reached is tried again."""
QUIET: Final = frozenset(("operation", "credentials_revoked"))
"""Kinds of events that change no line."""


class Source:
    """Where events come from: the controller, which is started for that."""

    def reach(self) -> None:
        """Return once somebody is there who tells events; ControllerError if nobody is."""
        ensure_controller()

    def follow(self, after: int) -> Iterator[Snapshot | Event]:
        """Yield what comes after an event."""
        return events(follow=True, after=after)


class Feed:
    """Posts news about tasks until the process ends."""

    def __init__(self, post: Callable[[News], None], source: Source | None = None) -> None:
        self._post, self._source = post, source or Source()
        self._changed: dict[str, None] = {}
        self._everything = False
        self._wake = threading.Condition()
        self._read = threading.Event()
        self._seq = 0

    def start(self) -> None:
        """Start the threads."""
        for target in (self._reading, self._following):
            threading.Thread(target=target, name=f"feed {target.__name__}", daemon=True).start()

    def look_again(self) -> None:
        """Read all tasks anew."""
        with self._wake:
            self._everything = True
            self._wake.notify()

    def _reading(self) -> None:
        """Read everything, and then whatever has changed."""
        while True:
            try:
                # Opened anew for each look at everything: what was opened before there was a database stays empty.
                with Inbox(create=False) as inbox:
                    self._read_all(inbox)
                    while self._read_changed(inbox):
                        pass
            except TerokError as error:
                self._post(Heard(safe_text(error.message, limit=300)))
                time.sleep(RETRIES[1])

    def _read_all(self, inbox: Inbox) -> None:
        found = inbox.everything()
        self._post(Loaded(found.tasks, found.short))
        self._seq = max(self._seq, found.seq)
        self._read.set()

    def _read_changed(self, inbox: Inbox) -> bool:
        """Wait for changes and read them; returns False if everything has to be read instead."""
        with self._wake:
            while not (self._changed or self._everything):
                self._wake.wait()
        time.sleep(GATHER)
        with self._wake:
            ids, self._changed = tuple(self._changed), {}
            everything, self._everything = self._everything, False
        if everything:
            return False
        tasks, gone = inbox.some(ids)
        self._post(Changed(tasks, gone))
        return True

    def _following(self) -> None:
        """Note which tasks the controller's events are about; go on where it was when a controller ends."""
        self._read.wait()
        failures = 0
        while True:
            try:
                self._source.reach()
                self._post(Heard())
                failures = 0
                for happened in self._source.follow(self._seq):
                    self._note(happened)
            except TerokError as error:
                self._post(Heard(safe_text(error.message, limit=300)))
            time.sleep(RETRIES[min(failures, len(RETRIES) - 1)])
            failures += 1

    def _note(self, happened: Snapshot | Event) -> None:
        self._seq = happened.seq
        with self._wake:
            if not isinstance(happened, Event):
                self._everything = True
            elif happened.task and happened.kind not in QUIET:
                self._everything |= happened.kind == "created"
                self._changed[happened.task] = None
            else:
                return
            self._wake.notify()
