"""The part of the ssh-agent protocol that is served: listing keys and signing. Pure.

A message is a 32-bit length and that many bytes, the first of which is its type.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from typing import Final

MAX_MESSAGE: Final = 256 * 1024
FAILURE: Final = b"\x05"
RSA_SHA2_256: Final = 2
RSA_SHA2_512: Final = 4
_REQUEST_IDENTITIES: Final = 11
_IDENTITIES_ANSWER: Final = 12
_SIGN_REQUEST: Final = 13
_SIGN_RESPONSE: Final = 14


@dataclass(frozen=True, slots=True)
class ListKeys:
    """A request for the public keys."""


@dataclass(frozen=True, slots=True)
class Sign:
    """A request to sign `data` with the key whose public half is `blob`."""

    blob: bytes
    data: bytes
    flags: int

    @property
    def sha1(self) -> bool:
        """Whether an RSA signature with SHA-1 is asked for."""
        return self.blob.startswith(string(b"ssh-rsa")) and not self.flags & (RSA_SHA2_256 | RSA_SHA2_512)


def parse_request(message: bytes) -> ListKeys | Sign | None:
    """Parse a message without its length; None for a malformed one or one that is not served."""
    if message == bytes([_REQUEST_IDENTITIES]):
        return ListKeys()
    if not message or message[0] != _SIGN_REQUEST:
        return None
    blob, rest = _take(message[1:])
    data, rest = _take(rest)
    if blob is None or data is None or len(rest) != 4:
        return None
    return Sign(blob, data, int.from_bytes(rest, "big"))


def identities_answer(keys: list[tuple[bytes, str]]) -> bytes:
    """Return the answer to ListKeys for (public blob, comment) pairs."""
    body = b"".join(string(blob) + string(comment.encode()) for blob, comment in keys)
    return bytes([_IDENTITIES_ANSWER]) + struct.pack(">I", len(keys)) + body


def sign_answer(signature: bytes) -> bytes:
    """Return the answer to Sign for a signature blob."""
    return bytes([_SIGN_RESPONSE]) + string(signature)


def string(data: bytes) -> bytes:
    """Return SSH's `string`, length and bytes: a message is one too."""
    return struct.pack(">I", len(data)) + data


def _take(data: bytes) -> tuple[bytes | None, bytes]:
    if len(data) < 4:
        return None, b""
    length = int.from_bytes(data[:4], "big")
    if length > len(data) - 4:
        return None, b""
    return data[4 : 4 + length], data[4 + length :]


def public_line(public_blob: bytes, comment: str) -> str:
    """Return the line for authorized_keys and a forge's key form."""
    length = int.from_bytes(public_blob[:4], "big")
    name = public_blob[4 : 4 + length].decode("ascii")
    return f"{name} {base64.b64encode(public_blob).decode()} {comment}".rstrip()
