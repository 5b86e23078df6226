"""`terok setup` and `terok uninstall`: data only."""

from __future__ import annotations

from terok_util import ArgDef, CommandDef

_WITHOUT = (
    ArgDef("--no-completions", action="store_true", help="leave the completions of shells alone"),
    ArgDef("--no-desktop-entry", action="store_true", help="leave the desktop's menu alone"),
    ArgDef("--no-units", action="store_true", help="leave the user units of systemd alone"),
    ArgDef("--no-notifier", action="store_true", help="leave the notifier for requests of containers alone"),
)

SETUP = CommandDef(
    "setup",
    help="prepare this user: hook, vault, routes, completions, desktop",
    handler="terok.cli.setup:setup",
    args=_WITHOUT,
    epilog="Calling it again changes nothing that is right. Below TEROK_ROOT only the host is prepared.\n",
    source="terok",
)
UNINSTALL = CommandDef(
    "uninstall",
    help="remove what setup installed, and the images; your data stays",
    handler="terok.cli.setup:uninstall",
    args=(ArgDef("--keep-images", action="store_true", help="leave the images"), *_WITHOUT),
    source="terok",
)
