"""Opening the terminal interface, and going on in this terminal with what it was left for."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from terok_util.process import exec_replace

from terok.config import load_settings
from terok.tui.background.kept import keep_place, kept_place
from terok.tui.background.opening import PROGRAM, command_line
from terok.tui.keymap import AGAIN, bound

if TYPE_CHECKING:
    from terok.tui.app import TerokApp

_TURN: Final = 0.001
"""Seconds for which one thread keeps the interpreter from another. Threads that read in many small steps, and the loop
that draws meanwhile, wait for each other at every step; with Python's five milliseconds a review takes half as long
again."""
_AND_BACK = """\
python=$1 main=$2; shift 2
"$python" -P -c "$main" "$@" || { printf 'enter goes back '; read -r _; }
exec "$python" -P -c "$main" tui
"""


def run() -> int:
    """Show the terminal interface until it is left."""
    from terok.tui.driver import QuietDriver

    app = made(QuietDriver)
    words = app.run()
    keep_place(app.place)
    if words == AGAIN:
        exec_replace(command_line(words))
    if words:
        become(words)
    return app.return_code or 0


def made(driver: Any) -> TerokApp:
    """Return the program, where the person was when they left, for a driver of Textual."""
    from terok.tui.app import TerokApp

    settings = load_settings().tui
    app = TerokApp(kept_place(), bound(settings.keys), theme=settings.theme, driver=driver)
    sys.setswitchinterval(_TURN)
    gc.freeze()  # what was imported stays: to search it for garbage would hold the keys up
    return app


def become(words: Sequence[str]) -> None:
    """Run a command of terok in this terminal, and come back when it has ended."""
    exec_replace(["sh", "-c", _AND_BACK, "sh", sys.executable, PROGRAM[-1], *words])
