"""The width of the terminal; `shutil` says it too, and takes as long to import as most verbs do altogether."""

from __future__ import annotations

import os


def columns(otherwise: int = 80) -> int:
    """Return how many columns there are: as `COLUMNS` says, else the terminal, else the default."""
    if (said := os.environ.get("COLUMNS", "")).isdecimal() and int(said):
        return int(said)
    try:
        return os.get_terminal_size().columns or otherwise
    except OSError:
        return otherwise
