"""Server-sent events: one frame per event."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

PIECE_CHARS = 24


def frame(data: Mapping[str, Any] | str, *, event: str | None = None) -> bytes:
    """One event as bytes, with its blank line; JSON never holds a raw line break, so one data line is enough."""
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    head = f"event: {event}\n" if event is not None else ""
    return f"{head}data: {text}\n\n".encode()


def pieces(text: str) -> Iterator[str]:
    """Yield the text in the small pieces a model streams it in; an empty text is one empty piece."""
    yield text[:PIECE_CHARS]
    for start in range(PIECE_CHARS, len(text), PIECE_CHARS):
        yield text[start : start + PIECE_CHARS]
