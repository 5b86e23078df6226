"""`config`: the entry of an editor's configuration."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from terok_util import UsageError, did_you_mean, safe_text

from terok_acp.editors.setup import EDITORS, setup_of


def config(editor: str, words: list[str]) -> int:
    """Print what an editor's configuration needs; where it belongs, and what else to know, on standard error."""
    setup = setup_of(editor, [*_command(), *words])
    if setup is None:
        hint = did_you_mean(editor, EDITORS, f"known are {', '.join(EDITORS)}")
        raise UsageError(f"no entry for the editor {safe_text(editor)!r}", hint=hint)
    for line in (f"{setup.label}: {setup.place}", *setup.notes):
        sys.stderr.write(line + "\n")
    sys.stdout.write(setup.text)
    return 0


def _command() -> list[str]:
    """Return the command that was called, with its whole path: an editor started from a desktop has another PATH."""
    name = Path(sys.argv[0]).name
    words = [name, "acp", "connect"] if name == "terok" else ["terok-acp", "connect"]
    return [shutil.which(words[0]) or words[0], *words[1:]]
