"""Lines of the clearance socket: one JSON object each, bounded, with a version.

The reference is docs/reference/clearance-protocol.md.
"""

from __future__ import annotations

import json
from typing import Any, Final

from terok_sandbox.clearance.errors import BadMessage

VERSION: Final = 1
MAX_LINE: Final = 16 * 1024
SOCKET: Final = "hub.sock"
DIRECTORY: Final = "clearance"
"""Below the container's runtime directory (the socket) and below its guest directory (the answers)."""


def encode(kind: str, **fields: Any) -> bytes:
    """Return one line of type `kind`."""
    return json.dumps({"v": VERSION, "type": kind, **fields}, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes) -> tuple[str, dict[str, Any]]:
    """Return type and fields of one line; raises `BadMessage` for anything else."""
    if len(line) > MAX_LINE:
        raise BadMessage(f"a line of more than {MAX_LINE} bytes")
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadMessage("a line that is not JSON") from error
    if not isinstance(document, dict):
        raise BadMessage("a line that is no object")
    version, kind = document.pop("v", None), document.pop("type", None)
    if type(version) is not int or version != VERSION:
        raise BadMessage(f"version {VERSION} is spoken here")
    if not isinstance(kind, str) or not kind.isascii() or len(kind) > 32:
        raise BadMessage("a line without a type")
    return kind, document
