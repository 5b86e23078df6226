"""The request target: checked, never normalized. What is forwarded are the bytes that came, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from terok_sandbox.vault.refusal import Refusal, malformed

MAX_TARGET: Final = 16 * 1024
_TARGET = re.compile(r"/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?\[\]|{}^`\"<>]|%[0-9A-Fa-f]{2})*")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_ABSOLUTE = re.compile(r"(?i:http)://([^/?]*)(/.*)?", re.DOTALL)
_MAX_DECODINGS = 3
_MAX_PARTS = 256
# Query parameters that services accept as a credential. Ours is never sent this way, so it would be someone else's.
_CREDENTIAL_PARAMETERS = frozenset(
    {
        "access-token",
        "api-key",
        "apikey",
        "auth-token",
        "authorization",
        "client-secret",
        "job-token",
        "oauth-token",
        "private-token",
        "sig",
        "signature",
        "x-amz-credential",
        "x-amz-security-token",
        "x-amz-signature",
        "x-api-key",
        "x-goog-api-key",
        "x-goog-credential",
        "x-goog-signature",
    }
)


@dataclass(frozen=True, slots=True)
class Target:
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


def read_target(raw: str, host: str) -> Target | Refusal:
    """Check a request target; `host` is the Host header, the only authority an absolute target may name."""
    if len(raw) > MAX_TARGET:
        return Refusal(414, "target_too_long", f"the request target is longer than {MAX_TARGET} bytes")
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
    target = Target(path, query if mark else None)
    for name in target.names() if mark else ():
        if name.strip().lower().replace("_", "-").replace(".", "-") in _CREDENTIAL_PARAMETERS:
            return credential_in_url(name if name.isprintable() else "credential")
    return target


def credential_in_url(name: str) -> Refusal:
    """Return the refusal of a request that carries a credential in its query."""
    return Refusal(
        403,
        "credential_in_url",
        f"the query parameter {name} carries a credential; only the stored one may be used here",
        hint="send the token from the environment in its usual header",
    )


def _path_problem(path: str) -> str | None:
    """Say what is wrong with a path that further hops could read as another one."""
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
