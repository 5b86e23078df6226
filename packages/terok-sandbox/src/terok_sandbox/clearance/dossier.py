"""What is known of who asks: a small file beside a container's state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from terok_sandbox.clearance.model import dossier_of

if TYPE_CHECKING:
    from pathlib import Path

DOSSIER_FILE: Final = "dossier.json"
_MAX_DOSSIER: Final = 16 * 1024


def read_dossier(path: Path) -> dict[str, str]:
    """Return the texts of a dossier file; a missing or unusable one is empty."""
    try:
        with path.open("rb") as file:
            return dossier_of(json.loads(file.read(_MAX_DOSSIER)))
    except (OSError, ValueError, RecursionError):
        return {}
