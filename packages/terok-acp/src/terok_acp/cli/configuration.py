"""`config`: what an editor is told to start this."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from terok_util import UsageError, did_you_mean

from terok_acp.editors.setup import EDITORS, setup_of


def show_config(editor: str, words: list[str], command: Sequence[str] = ("terok-acp", "connect")) -> int:
    """Print an editor's entry for `command`, and where it goes on standard error."""
    program = Path(sys.argv[0])
    first = str(program) if program.is_absolute() and program.name == command[0] else command[0]
    setup = setup_of(editor, [first, *command[1:], *words])
    if setup is None:
        known = ", ".join(EDITORS)
        raise UsageError(f"unknown editor {editor!r}", hint=did_you_mean(editor, EDITORS, f"one of {known}"))
    for line in (f"{setup.label}: {setup.place}", *setup.notes):
        print(line, file=sys.stderr)
    print(setup.text, end="" if setup.text.endswith("\n") else "\n")
    return 0
