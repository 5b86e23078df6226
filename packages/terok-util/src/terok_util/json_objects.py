"""JSON objects from files and answers that may hold anything."""

from __future__ import annotations

import json
from typing import Any


def json_object(text: bytes | str) -> dict[str, Any] | None:
    """Return the object that a JSON text is, None for anything else."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
