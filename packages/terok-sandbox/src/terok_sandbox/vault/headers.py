"""The treatment of each request header: forwarded, dropped, or one of the few places for a token.

Names are judged with `_` and `.` read as `-`, because some servers treat them alike: `X_Api_Key` is dropped as the
credential header it may become. Only the plain spelling is a place where a token is looked for.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache
from typing import Final


class Fate(Enum):
    """The treatment of a header."""

    FORWARD = auto()
    DROP = auto()
    TOKEN = auto()
    """Bare token as value; read, never forwarded."""
    AUTHORIZATION = auto()
    """Bearer, token or Basic; read, never forwarded."""
    HOST = auto()
    LENGTH = auto()
    TRANSFER_ENCODING = auto()
    CONNECTION = auto()
    UPGRADE = auto()
    EXPECT = auto()
    SUBPROTOCOL = auto()
    INVALID = auto()


TOKEN_HEADERS: Final = frozenset({"x-api-key", "api-key", "private-token", "x-goog-api-key"})

_READ: Final = {
    **dict.fromkeys(TOKEN_HEADERS, Fate.TOKEN),
    "authorization": Fate.AUTHORIZATION,
    "host": Fate.HOST,
    "content-length": Fate.LENGTH,
    "transfer-encoding": Fate.TRANSFER_ENCODING,
    "connection": Fate.CONNECTION,
    "upgrade": Fate.UPGRADE,
    "expect": Fate.EXPECT,
    "sec-websocket-protocol": Fate.SUBPROTOCOL,
}
HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings"}
)
_DROPPED: Final = HOP_BY_HOP | {
    # The proxy speaks for itself: no claims about other hops, no second way to say method or path.
    "forwarded",
    "via",
    "x-real-ip",
    "true-client-ip",
    "x-client-ip",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-original-host",
    "x-rewrite-url",
    "x-host",
    # Only a whole body can be searched for real secrets.
    "range",
    "if-range",
    "x-ms-range",
    # An answer in UTF-16 or UTF-7 would hide them, a compressed one could tell by its length.
    "accept-charset",
    "accept-encoding",
    # Part of a WebSocket handshake, which the proxy makes anew.
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-extensions",
}
_CREDENTIAL: Final = re.compile(
    r"(?:.*-)?(?:token|tokens|apikey|(?:api|access|account|app|application|auth|functions|master|private|secret|"
    r"subscription)-key|secret|password|passwd|auth|authorization|authentication|"
    r"credential|credentials|jwt|cookie|cookie2|signature)"
)
_FORWARDED: Final = re.compile(r"x-forwarded(?:-.*)?|proxy-.*|cf-connecting-.*")
_NAME: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")


@lru_cache(maxsize=512)
def canonical(name: str) -> str:
    """Return a header name in lower case with `_` and `.` read as `-`."""
    return name.lower().replace("_", "-").replace(".", "-")


@lru_cache(maxsize=512)
def known(name: bytes) -> tuple[Fate, str, str]:
    """Return what becomes of a header, its name as it came, and in lower case."""
    shown = name.decode("latin-1")
    return fate(name), shown, shown.lower()


@lru_cache(maxsize=512)
def fate(name: bytes) -> Fate:
    """Return what becomes of a request header called `name`."""
    if not _NAME.fullmatch(name):
        return Fate.INVALID
    plain = name.decode("ascii").lower()
    if plain in _READ:
        return _READ[plain]
    alias = canonical(plain)
    if alias in _READ:
        # A length, host or encoding under an alias is an attempt to be read differently further on.
        harmless = alias in TOKEN_HEADERS or alias == "authorization"
        return Fate.DROP if harmless else Fate.INVALID
    if alias in _DROPPED or _CREDENTIAL.fullmatch(alias) or _FORWARDED.fullmatch(alias):
        return Fate.DROP
    return Fate.FORWARD
