"""How high a container's wall stands, and the file of its gateway that says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Literal

from terok_util import read_private

from terok_sandbox.errors import ShieldError

LIVE_FILE: Final = "shield-live.json"
"""Below `Sidecar.gateway_dir`: posture and live verdicts."""
SCHEMA: Final = 1
MAX_SIZE: Final = 1024 * 1024

Posture = Literal["up", "down", "disengaged", "quarantine"]
POSTURES: Final[tuple[Posture, ...]] = ("quarantine", "up", "down", "disengaged")
"""Each lets through what the one before it does, and more."""


def read_posture(path: Path) -> tuple[Posture, list[Any]]:
    """Return the posture in the file at `path` and its live verdicts as JSON values.

    A missing file means up, an empty one quarantine. Raises `ShieldError` for a damaged or foreign file: a denial in it
    may have closed something, which must not open.
    """
    try:
        data = read_private(path, MAX_SIZE)
    except FileNotFoundError:
        return "up", []
    except OSError as error:
        raise damaged_posture(path, error.strerror or "cannot be opened") from error
    if not data:
        return "quarantine", []
    try:
        document = json.loads(data)
        if not isinstance(document, dict) or document.get("schema") != SCHEMA or document["posture"] not in POSTURES:
            raise ValueError("not a state of this schema")
        return document["posture"], list(document["verdicts"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged_posture(path, str(error)) from error


def damaged_posture(path: Path, what: str) -> ShieldError:
    """Return the error of a file that cannot be trusted."""
    return ShieldError(
        f"{path}: {what}; the container is kept closed", hint="remove the file to go back to the launch policy"
    )
