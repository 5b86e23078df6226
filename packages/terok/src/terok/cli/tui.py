"""`terok tui`, and its keys as a list."""

from __future__ import annotations

import os
import sys
from functools import partial

from terok_util import UsageError, show, table


def tui(
    plain: bool = False,
    web: bool = False,
    listen: str | None = None,
    port: int | None = None,
    keys: bool = False,
    as_json: bool = False,
) -> int:
    """Open the terminal interface or its plain form, serve it to browsers, or list its keys."""
    if not web and (listen is not None or port is not None):
        raise UsageError("--listen and --port are for --web", hint="add --web")
    if keys or as_json:
        return _keys(as_json=as_json)
    if web:
        from terok.tui.web.serve import LOOPBACK, serve

        return serve(partial(print, flush=True), listen or LOOPBACK, port)
    if not (sys.stdin.isatty() and (plain or sys.stdout.isatty())):
        raise UsageError("there is no terminal here", hint="`terok status` prints what needs you")
    if why := _plain(option=plain):
        from terok.tui.plain import run as run_plain

        return run_plain(why)
    from terok.tui.main import run

    return run()


def _plain(*, option: bool) -> str:
    """Return the switch that asks for the plain form, "" if none does."""
    from terok.config import load_settings

    if option:
        return "--plain"
    if os.environ.get("TEROK_PLAIN", "") not in ("", "0"):
        return "TEROK_PLAIN"
    return "tui.plain" if load_settings().tui.plain else ""


def _keys(*, as_json: bool) -> int:
    """Print every action of the terminal interface."""
    from terok.config import load_settings
    from terok.tui.keymap import ACTIONS, bound, shown_keys

    chosen = bound(load_settings().tui.keys)
    rows = [
        {
            "action": one.name,
            "keys": shown_keys(chosen[one.name]),
            "where": one.where,
            "verb": one.verb,
            "help": one.help,
        }
        for one in ACTIONS
    ]
    titles = ("ACTION", "KEYS", "WHERE", "COMMAND", "")
    cells = [(row["action"], row["keys"], row["where"], row["verb"], row["help"]) for row in rows]
    show(rows, as_json, table(titles, cells))
    return 0
