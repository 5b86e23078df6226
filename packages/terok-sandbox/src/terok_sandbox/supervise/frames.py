"""Frames between clients, hook, fork server and supervisors: one JSON object per SOCK_SEQPACKET message.

Descriptors travel beside it (SCM_RIGHTS). Every frame has `v` (protocol version), `build` (package version) and
`type`; the rest depends on the type. A frame that is truncated, too large or not such an object is refused, and its
descriptors are closed.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from terok_sandbox.errors import SupervisorError
from terok_sandbox.shield.errors import BadMessage
from terok_sandbox.shield.protocol import read_object
from terok_sandbox.supervise.hook import BUILD, PROTOCOL

MAX_FRAME: Final = 65536
MAX_DESCRIPTORS: Final = 8


class FrameError(SupervisorError):
    """A frame could not be read: hostile, truncated or of another protocol."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One received message; whoever receives it owns `descriptors`."""

    kind: str
    fields: dict[str, Any]
    version: int = PROTOCOL
    build: str = BUILD
    descriptors: list[int] = field(default_factory=list)

    def text(self, key: str) -> str:
        """Return a text field; raises `FrameError` when it is missing or no text."""
        value = self.fields.get(key)
        if not isinstance(value, str) or "\0" in value:
            raise FrameError(f"{self.kind}: {key} is missing")
        return value

    def number(self, key: str) -> int:
        """Return an integer field; raises `FrameError` when it is missing or no integer."""
        value = self.fields.get(key)
        if type(value) is not int:
            raise FrameError(f"{self.kind}: {key} is missing")
        return value

    def close(self) -> None:
        """Close the descriptors that nobody has taken."""
        while self.descriptors:
            os.close(self.descriptors.pop())


def encode(kind: str, **fields: Any) -> bytes:
    """Return the bytes of one frame; raises `FrameError` when it would be too large."""
    data = json.dumps({"v": PROTOCOL, "build": BUILD, "type": kind, **fields}).encode()
    if len(data) > MAX_FRAME:
        raise FrameError(f"{kind}: the frame would have {len(data)} bytes, {MAX_FRAME} are allowed")
    return data


def decode(data: bytes) -> Frame:
    """Parse one frame; raises `FrameError` for whatever is not one."""
    try:
        document = read_object(data, MAX_FRAME)
    except BadMessage as error:
        raise FrameError(f"not a frame: {error.message}") from error
    version, build, kind = (document.pop(key, None) for key in ("v", "build", "type"))
    if type(version) is not int or not isinstance(build, str) or not isinstance(kind, str):
        raise FrameError("the frame lacks version, build or type")
    return Frame(kind=kind, fields=document, version=version, build=build)


def send(channel: socket.socket, kind: str, *, descriptors: Sequence[int] = (), **fields: Any) -> None:
    """Send one frame; raises OSError when the peer is gone."""
    data = encode(kind, **fields)
    if descriptors:
        socket.send_fds(channel, [data], list(descriptors))
    else:
        channel.send(data)


def receive(channel: socket.socket) -> Frame | None:
    """Receive one frame, `None` at the end; raises `FrameError` for a bad one, OSError from the socket."""
    data, descriptors, flags, _ = socket.recv_fds(channel, MAX_FRAME + 1, MAX_DESCRIPTORS)
    try:
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise FrameError("the frame is truncated")
        if not data and not descriptors:
            return None
        frame = decode(data)
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    frame.descriptors.extend(descriptors)
    return frame
