"""Finding out that another version was installed while this one runs."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from terok_util.process import run

from terok.tui.background.opening import command_line
from terok.tui.views.world import Installed

if TYPE_CHECKING:
    from terok.tui.background.posts import Post

_WHEELS: Final = ("terok", "terok-acp", "terok-executor", "terok-sandbox", "terok-util")
_PATIENCE: Final = 30.0
_AT_EASE: Final = 2.0
"""Seconds in which the start of the program has the processor for itself."""


class Versions:
    """One thread that compares what is installed with what was when it began, whenever somebody looks."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._wanted = threading.Event()
        self.compares = False
        """Whether it knows what was installed at the beginning."""

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._looking, name="versions", daemon=True).start()

    def look(self) -> None:
        """Have it compared; once it differs a person is told, and it is compared no more."""
        self._wanted.set()

    def _looking(self) -> None:
        time.sleep(_AT_EASE)
        began = installed()
        self.compares = True
        while True:
            self._wanted.wait()
            self._wanted.clear()
            now = installed()
            if now and began and now != began:
                self._post(Installed(now["terok"]))
                return


def installed() -> dict[str, str]:
    """Return the versions of our wheels; nothing while one of them is being replaced."""
    from importlib.metadata import PackageNotFoundError, version  # takes long, and nobody needs it for the first frame

    try:
        return {name: version(name) for name in _WHEELS}
    except PackageNotFoundError:
        return {}


def tried() -> None:
    """Start what is installed once, so that nobody leaves for something that does not start."""
    run(command_line(("--version",)), timeout=_PATIENCE)
