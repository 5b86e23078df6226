"""Lines between front ends and the controller: JSON objects with `v` (1) and `type`."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any, Final

from terok.errors import ControllerError

VERSION: Final = 1
MAX_REQUEST: Final = 64 * 1024
MAX_REPLY: Final = 64 * 1024 * 1024
"""A snapshot of very many tasks."""


def encode(kind: str, /, **fields: Any) -> bytes:
    """Return one line."""
    return json.dumps({"v": VERSION, "type": kind, **fields}).encode() + b"\n"


def decode(line: bytes) -> tuple[str, dict[str, Any]]:
    """Return type and fields of a line; ControllerError for anything that is not one."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ControllerError("a line is not JSON") from error
    if not isinstance(document, dict) or document.pop("v", None) != VERSION:
        raise ControllerError(f"a line is not of version {VERSION}", hint="end the older `terok` that still runs")
    kind = document.pop("type", None)
    if not isinstance(kind, str):
        raise ControllerError("a line has no type")
    return kind, document


def peer_uid(channel: socket.socket) -> int:
    """Return the user id of the process at the other end."""
    _, uid, _ = struct.unpack("=iII", channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)
