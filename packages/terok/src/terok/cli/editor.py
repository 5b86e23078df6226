"""Opening a file in the person's own editor."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from terok_util import UsageError, ensure_dir, may_ask
from terok_util.process import exec_replace

_SCRIPT = 'eval "$1 \\"\\$2\\"" && shift 2 && exec "$@"'


def open_editor(file: Path, afterwards: Sequence[str]) -> NoReturn:
    """Become the editor, and after it a verb of ours, which checks what was written; UsageError off a terminal."""
    if not (may_ask() and sys.stdout.isatty()):
        raise UsageError("an editor needs a terminal", hint="name a key and its value instead")
    ensure_dir(file.parent)
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    exec_replace(["/bin/sh", "-c", _SCRIPT, "sh", shlex.join(shlex.split(editor)), str(file), sys.argv[0], *afterwards])
