"""Where a person was when they left, kept for the next start."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Final

from terok_util import TerokError, ensure_dir, read_file, write_sensitive_file

from terok.paths import tui_state
from terok.tui.views.inbox import Place, place_from_json, place_to_json

_MOST: Final = 64 * 1024


def kept_place() -> Place:
    """Return the place that was kept; that of a first start if there is none, or it cannot be read."""
    try:
        return place_from_json(json.loads(read_file(tui_state(), _MOST)))
    except (OSError, ValueError, TerokError):
        return Place()


def keep_place(place: Place) -> None:
    """Keep a place; where nothing can be written it is lost, and that is all."""
    with suppress(OSError, TerokError):
        ensure_dir(tui_state().parent)
        write_sensitive_file(tui_state(), json.dumps(place_to_json(place)) + "\n")
