"""Phantom tokens: what a container holds in place of a credential.

A phantom token has the shape the vendor's client expects, opens nothing outside the container it was made for, and is
kept in the database only as a hash.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import string
from dataclasses import dataclass

from terok_sandbox.vault.errors import BadCredential

ALPHABETS = {
    "hex": "0123456789abcdef",
    "base62": string.digits + string.ascii_letters,
    "base64url": string.digits + string.ascii_letters + "-_",
}
"""Named alphabets a TokenShape may refer to."""

MIN_ENTROPY_BITS = 128
_MAX_LENGTH = 512
_MAX_PREFIX = 64
# What may stand in a Bearer credential and, unescaped, in either half of a Basic one.
_TOKEN_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-._~+/=")


@dataclass(frozen=True, slots=True)
class TokenShape:
    """The form of a token: `prefix`, then `length` random characters of `alphabet`, one of ALPHABETS or spelled out."""

    prefix: str = "terok-p-"
    length: int = 32
    alphabet: str = "hex"

    def __post_init__(self) -> None:
        characters = self.characters
        if len(self.prefix) > _MAX_PREFIX or not set(self.prefix) <= _TOKEN_CHARACTERS:
            raise BadCredential(f"token prefix {self.prefix!r} has characters a header cannot carry, or is too long")
        if not characters or not set(characters) <= _TOKEN_CHARACTERS or len(set(characters)) != len(characters):
            raise BadCredential(f"token alphabet {self.alphabet!r} is empty, repeats or has unusable characters")
        if not 1 <= self.length <= _MAX_LENGTH or self.length * math.log2(len(characters)) < MIN_ENTROPY_BITS:
            raise BadCredential(
                f"a token of {self.length} characters from an alphabet of {len(characters)} is guessable",
                hint=f"give it at least {MIN_ENTROPY_BITS} random bits, for instance 32 hexadecimal characters",
            )

    @property
    def characters(self) -> str:
        """The alphabet spelled out."""
        return ALPHABETS.get(self.alphabet, self.alphabet)

    def matches(self, token: str) -> bool:
        """Tell whether `token` has this shape."""
        body = token[len(self.prefix) :]
        return token.startswith(self.prefix) and len(body) == self.length and set(body) <= set(self.characters)


DEFAULT_SHAPE = TokenShape()


def mint(shape: TokenShape = DEFAULT_SHAPE) -> str:
    """Return a new random token of `shape`."""
    characters = shape.characters
    return shape.prefix + "".join(secrets.choice(characters) for _ in range(shape.length))


def token_digest(token: str) -> bytes:
    """Return the SHA-256 under which a token is stored and looked up (32 bytes)."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def token_id(digest: bytes) -> str:
    """Return the short public name of a token for logs: it identifies, but does not authorize."""
    return digest[:6].hex()
