"""The parts of a request's head: what becomes of each header, and the target.

Header names are judged with `_` and `.` read as `-`, because some servers treat them alike: `X_Api_Key` is dropped as
the credential header it may become. Only the plain spelling is a place where a token is looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from terok_sandbox.vault.refusal import VaultRefusal, malformed


class Fate(Enum):
    """The treatment of a header by the proxy."""

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
    "forwarded", "via", "x-real-ip", "true-client-ip", "x-client-ip", "x-http-method", "x-http-method-override",
    "x-method-override", "x-original-url", "x-original-host", "x-rewrite-url", "x-host",
    # Only a whole body can be searched for real secrets.
    "range", "if-range", "x-ms-range",
    # An answer in UTF-16 or UTF-7 would hide them, a compressed one could tell by its length.
    "accept-charset", "accept-encoding",
    # Part of a WebSocket handshake, which the proxy makes anew.
    "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions",
}  # fmt: skip
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
    """Return the fate of a header, its name as it came, and its name in lower case."""
    shown = name.decode("latin-1")
    return fate(name), shown, shown.lower()


@lru_cache(maxsize=512)
def fate(name: bytes) -> Fate:
    """Return the fate of a request header called `name`."""
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


MAX_TARGET: Final = 16 * 1024
_TARGET = re.compile(r"/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?\[\]|{}^`\"<>]|%[0-9A-Fa-f]{2})*")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_ABSOLUTE = re.compile(r"(?i:http)://([^/?]*)(/.*)?", re.DOTALL)
_MAX_DECODINGS = 3
_MAX_PARTS = 256
# Query parameters that services accept as a credential. Ours is never sent this way, so it would be someone else's.
_CREDENTIAL_PARAMETERS = {
    "access-token", "api-key", "apikey", "auth-token", "authorization", "client-secret", "job-token", "oauth-token",
    "private-token", "sig", "signature", "x-amz-credential", "x-amz-security-token", "x-amz-signature", "x-api-key",
    "x-goog-api-key", "x-goog-credential", "x-goog-signature",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """An accepted target in origin form: the raw path and, if there is one, the raw query without `?`."""

    path: str
    query: str | None = None

    @property
    def raw(self) -> str:
        """The target as it is sent on."""
        return self.path if self.query is None else f"{self.path}?{self.query}"

    def names(self) -> Iterator[str]:
        """Yield the names of the query's parameters, decoded."""
        for pair in re.split("[&;]", self.query or ""):
            yield unquote_to_bytes(pair.partition("=")[0]).decode("ascii", "replace")

    def parts(self) -> Iterator[str]:
        """Yield path segments and query names and values without up to three layers of escapes, of the first 256."""
        pieces = self.path.split("/") + re.split(r"[&=;]", self.query or "")
        for piece in pieces[:_MAX_PARTS]:
            if piece:
                read = piece.replace("+", " ").encode("ascii")
                for _ in range(_MAX_DECODINGS):
                    read = unquote_to_bytes(read)
                    yield read.decode("utf-8", "replace")
                    if b"%" not in read:
                        break


def read_target(raw: str, host: str) -> RequestTarget | VaultRefusal:
    """Check a request target; `host` is the Host header, the only authority an absolute target may name."""
    if len(raw) > MAX_TARGET:
        return VaultRefusal(414, "target_too_long", f"the request target is longer than {MAX_TARGET} bytes")
    if match := _ABSOLUTE.fullmatch(raw):
        if match[1].lower() != host.lower():
            return malformed("the request target names another host than the Host header")
        raw = match[2] or "/"
    if not _TARGET.fullmatch(raw):
        return malformed("the request target is not an absolute path of printable characters")
    path, mark, query = raw.partition("?")
    if path.startswith("//"):
        return malformed("the request path begins with two slashes")
    if problem := _path_problem(path):
        return malformed(problem)
    target = RequestTarget(path, query if mark else None)
    for name in target.names() if mark else ():
        if canonical(name.strip()) in _CREDENTIAL_PARAMETERS:
            return credential_in_url(name if name.isprintable() else "credential")
    return target


def credential_in_url(name: str) -> VaultRefusal:
    """Return the refusal of a request that carries a credential in its query."""
    return VaultRefusal(
        403,
        "credential_in_url",
        f"the query parameter {name} carries a credential; only the stored one may be used here",
        hint="send the token from the environment in its usual header",
    )


def _path_problem(path: str) -> str | None:
    """Return the problem of a path that a later hop could read as another one."""
    if "%" not in path and "/." not in path:
        return None
    decoded = path.encode("ascii")
    for _ in range(_MAX_DECODINGS + 1):
        if any(segment in (b".", b"..") for segment in re.split(rb"[/\\;]", decoded)):
            return "the request path has a . or .. segment"
        if b"%" not in decoded:
            return None
        decoded = unquote_to_bytes(decoded)
        if _CONTROL.search(decoded):
            return "the request path has an encoded control character"
    return None
