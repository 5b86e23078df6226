"""Requests to a running container's gateway, over its control socket and without an event loop."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any, Final

from terok_util.text import safe_text

from terok_sandbox import unix_sockets
from terok_sandbox.errors import ShieldError
from terok_sandbox.shield.errors import BadMessage, NoAnswer, NotKept, PolicyError, ShieldNotRunning, SpellingError
from terok_sandbox.shield.protocol import MAX_LINE, Fields, decode, encode

TIMEOUT: Final = 10.0
_MAX_REPLY: Final = 16 * 1024 * 1024
_ERRORS: Final = {kind.__name__: kind for kind in (PolicyError, SpellingError, NotKept)}


def ask(path: Path, kind: str, *, timeout: float = TIMEOUT, **fields: Any) -> Fields:
    """Send a request to the gateway at `path`, return the reply's fields; `NoAnswer`, or `ShieldError` if refused."""
    container = path.parent.parent.name
    try:
        with send_request(path, kind, timeout=timeout, **fields) as channel:
            return read_reply(channel)
    except (FileNotFoundError, ConnectionError) as error:
        raise ShieldNotRunning(f"{container}: the shield does not run", hint="see `terok-sandbox list`") from error
    except (OSError, BadMessage) as error:
        raise NoAnswer(f"{container}: the shield did not reply: {error}", hint="see `terok-sandbox doctor`") from error


def send_request(path: Path, kind: str, *, timeout: float, **fields: Any) -> socket.socket:
    """Send one request and return the connection that its reply comes on; raises OSError and `BadMessage`."""
    line = encode(kind, **fields)
    if len(line) > MAX_LINE:
        raise PolicyError(f"the request has {len(line)} bytes, at most {MAX_LINE} are read")
    channel = connect(path, timeout=timeout)
    try:
        channel.sendall(line)
    except BaseException:
        channel.close()
        raise
    return channel


def connect(path: Path, *, timeout: float) -> socket.socket:
    """Connect to the gateway that listens at `path`; raises OSError, and `BadMessage` if it is another user's."""
    channel = unix_sockets.connect(path, kind=socket.SOCK_STREAM, timeout=timeout)
    # Whoever can write to the directory could have put another socket there.
    if unix_sockets.peer_uid(channel) != os.geteuid():
        channel.close()
        raise BadMessage("the socket belongs to another user")
    return channel


def read_reply(channel: socket.socket) -> Fields:
    """Return the fields of a reply; raises OSError, `BadMessage`, and `ShieldError` for a refusal."""
    with channel.makefile("rb") as reader:
        kind, fields = decode(reader.readline(_MAX_REPLY), limit=_MAX_REPLY)
    if kind == "ok":
        return fields
    error = _ERRORS.get(str(fields.get("code")), ShieldError)
    message = safe_text(str(fields.get("message", "the gateway refused")), limit=1000)
    raise error(message, hint=safe_text(str(fields.get("hint", "")), limit=300) or None)
