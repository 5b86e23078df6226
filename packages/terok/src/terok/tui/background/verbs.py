"""The commands of terok with their help, as another process tells them."""

from __future__ import annotations

import json
import sys
from typing import Final

from terok_util.process import run

_PATIENCE: Final = 30.0

Verb = tuple[tuple[str, ...], str]
"""The words of a command, and its help."""


def all_verbs() -> list[Verb]:
    """Return every command that can be run."""
    done = run([sys.executable, "-P", "-m", "terok.cli.verbs"], timeout=_PATIENCE)
    return [(tuple(path), help_text) for path, help_text in map(json.loads, done.stdout.splitlines())]
