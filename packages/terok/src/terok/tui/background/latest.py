"""Reading what the cursor is on: only the last of several questions is answered."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from terok_util import TerokError

from terok.errors import UnknownTask
from terok.services.inbox import Inbox
from terok.tui.views.world import Looked

if TYPE_CHECKING:
    from terok.tui.background.posts import Post


class Latest:
    """One thread that reads everything about the task that was asked for last."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._wanted: str | None = None
        self._wake = threading.Condition()

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._reading, name="latest", daemon=True).start()

    def ask(self, task_id: str) -> None:
        """Have everything about a task read; what was asked for before no longer counts."""
        with self._wake:
            self._wanted = task_id
            self._wake.notify()

    def _next(self) -> str:
        with self._wake:
            while self._wanted is None:
                self._wake.wait()
            wanted, self._wanted = self._wanted, None
            return wanted

    def _reading(self) -> None:
        while True:
            wanted = self._next()
            # The rest of the screen says what is wrong with the database; here an answer is missing, no more.
            with suppress(TerokError, OSError):
                self._read(wanted)

    def _read(self, task_id: str) -> None:
        with Inbox(create=False) as inbox:
            try:
                detail = inbox.detail(task_id)
            except UnknownTask:
                return
            self._post(Looked(detail))
            if self._wanted is None:
                self._post(Looked(task=task_id, shield=inbox.shield(detail.task)))
