"""Keeping where a person is while they are there, so that a killed program comes back at the same place."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from terok.tui.background.kept import keep_place

if TYPE_CHECKING:
    from terok.tui.views.inbox import Place

GATHER: Final = 2.0
"""Seconds in which further moves join the first."""


class Keeper:
    """One thread that writes the last place that it was told; it sleeps while nobody moves."""

    def __init__(self) -> None:
        self._wanted: Place | None = None
        self._wake = threading.Condition()

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._keeping, name="keeper", daemon=True).start()

    def keep(self, place: Place) -> None:
        """Have a place kept soon."""
        with self._wake:
            self._wanted = place
            self._wake.notify()

    def _keeping(self) -> None:
        while True:
            with self._wake:
                while self._wanted is None:
                    self._wake.wait()
            time.sleep(GATHER)
            with self._wake:
                place, self._wanted = self._wanted, None
            keep_place(place)
