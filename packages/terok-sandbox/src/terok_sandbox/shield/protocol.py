"""Lines of a gateway's control socket: one JSON object each, bounded, with a version.

The reference is docs/reference/control-protocol.md.
"""

from __future__ import annotations

import json
from typing import Any, Final

from terok_sandbox.shield.errors import BadMessage

VERSION: Final = 1
MAX_LINE: Final = 64 * 1024  # bytes of a request or an event; a reply may be longer
SOCKET: Final = "clearance/gateway.sock"
"""Below a container's runtime directory, in the one place that its gateway may write to."""

Fields = dict[str, Any]


def encode(kind: str, /, **fields: Any) -> bytes:
    """Return one line of type `kind`."""
    return json.dumps({"v": VERSION, "type": kind, **fields}, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes, *, limit: int = MAX_LINE) -> tuple[str, Fields]:
    """Return type and fields of one line; raises `BadMessage` for anything else."""
    document = read_object(line, limit)
    version, kind = document.pop("v", None), document.pop("type", None)
    if type(version) is not int or version != VERSION:
        raise BadMessage(f"unsupported protocol version: use {VERSION}")
    if not isinstance(kind, str) or not kind.isascii() or len(kind) > 32:
        raise BadMessage("the line has no type")
    return kind, document


def read_object(data: bytes, limit: int) -> Fields:
    """Return the JSON object in at most `limit` bytes; raises `BadMessage` for anything else."""
    if len(data) > limit:
        raise BadMessage(f"the line is longer than {limit} bytes")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadMessage("the line is not JSON") from error
    if not isinstance(document, dict):
        raise BadMessage("the line is not a JSON object")
    return document
