"""The program of one page: `python -m terok.tui.web DESCRIPTOR`, started by the server with one end of a socket."""

from __future__ import annotations

import os
import sys
from functools import partial

from terok_util.process import exec_replace

from terok.tui.background.kept import keep_place
from terok.tui.keymap import AGAIN
from terok.tui.main import made
from terok.tui.web.driver import Channel, PageDriver


def main(descriptor: int) -> int:
    """Show the terminal interface on a page until it is left."""
    channel = Channel(descriptor)
    app = made(partial(PageDriver, channel=channel, page=channel.first_size()))
    words = app.run()
    keep_place(app.place)
    if words == AGAIN:  # another version is installed: it goes on with the same page
        os.set_inheritable(descriptor, True)
        exec_replace([sys.executable, "-P", "-m", "terok.tui.web", str(descriptor)])
    return app.return_code or 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
