"""The dossier of a container: a small file of texts about its task, beside its state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from terok_util import atomic_write

from terok_sandbox.clearance.model import dossier_of
from terok_sandbox.config import SandboxConfig

DOSSIER_FILE: Final = "dossier.json"
_MAX_DOSSIER: Final = 16 * 1024


def read_dossier(path: Path) -> dict[str, str]:
    """Return the texts of a dossier file; a missing or unusable one is empty."""
    try:
        with path.open("rb") as file:
            return dossier_of(json.loads(file.read(_MAX_DOSSIER)))
    except (OSError, ValueError, RecursionError):
        return {}


def update_dossier(config: SandboxConfig, container: str, texts: Mapping[str, str]) -> None:
    """Replace `texts` in the dossier of a container that was launched, such as its task's name; raises `OSError`."""
    path = config.gateway_dir(container) / DOSSIER_FILE
    if path.exists():
        atomic_write(path, json.dumps(read_dossier(path) | dossier_of(dict(texts))) + "\n", mode=0o600)
