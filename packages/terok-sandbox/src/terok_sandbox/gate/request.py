"""Authorize and route requests to the gate: pure functions over the request's head.

Exactly one repository is served and exactly six requests are known; everything else is refused as spelled;
nothing is decoded or normalized first.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from terok_sandbox.gate.invoke import Service

Action = Literal["head", "advertise", "call"]

_SERVICES: Final[Mapping[str, Service]] = {"git-upload-pack": "upload-pack", "git-receive-pack": "receive-pack"}
_PROTOCOL: Final = re.compile(r"version=[0-2]\Z")
_MAX_AUTHORIZATION: Final = 1024


@dataclass(frozen=True, slots=True)
class GateRequest:
    """A request that may be served: the branch a clone checks out, a service's advertisement, or a call of it.

    `protocol` is what the client asked for (`version=2`); `gzip` says that the body is compressed.
    """

    action: Action
    service: Service = "upload-pack"
    protocol: str = ""
    gzip: bool = False

    def content_type(self, what: Literal["advertisement", "request", "result"]) -> str:
        """Return the media type of a body of git's."""
        return f"application/x-git-{self.service}-{what}"


@dataclass(frozen=True, slots=True)
class GateRefusal:
    """A request that is not served, with its HTTP status; `lfs` says that a client of Git LFS asked."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()
    lfs: bool = False


def token_hash(token: str) -> str:
    """Return the SHA-256 of a gate token in hexadecimal, as the wiring holds it."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def gate_url(token: str, name: str, port: int, host: str = "127.0.0.1") -> str:
    """Return the URL that a client uses. The empty password keeps git from asking for one."""
    return f"http://{token}:@{host}:{port}/{name}.git"


def authorize(authorization: str | None, token_sha256: str) -> GateRefusal | None:
    """Return None when the header carries the token: as user name of Basic, or as Bearer."""
    token = _presented(authorization)
    given = token_hash(token if token is not None else "")
    if hmac.compare_digest(given, token_sha256.lower()) and token:
        return None
    return GateRefusal(401, "the gate token is missing or wrong", (("WWW-Authenticate", 'Basic realm="terok gate"'),))


def route(method: str, target: str, headers: Mapping[str, str], name: str) -> GateRequest | GateRefusal:
    """Return what `method` on `target`, as received, asks of the repository `name`; `headers` have lower-case names."""
    root = f"/{name}.git/"
    tail = target.removeprefix(root) if target.startswith(root) else ""
    if tail == "HEAD":
        return GateRequest("head") if method == "GET" else _method_refused("GET")
    if tail.startswith("info/lfs/"):
        return GateRefusal(501, "the gate does not support Git LFS; commit small files without it", lfs=True)
    protocol = headers.get("git-protocol", "")
    protocol = protocol if _PROTOCOL.match(protocol) else ""
    if tail in _SERVICES:
        wanted = GateRequest("call", _SERVICES[tail], protocol)
        return _with_body(wanted, headers) if method == "POST" else _method_refused("POST")
    path, _, query = tail.partition("?")
    if path == "info/refs":
        if method != "GET":
            return _method_refused("GET")
        service = _SERVICES.get(query.removeprefix("service=")) if query.startswith("service=") else None
        if service is None:
            return GateRefusal(403, "only the smart protocol is supported")
        return GateRequest("advertise", service, protocol)
    return GateRefusal(404, "the gate serves no such path")


def _with_body(wanted: GateRequest, headers: Mapping[str, str]) -> GateRequest | GateRefusal:
    if headers.get("content-type", "") != wanted.content_type("request"):
        return GateRefusal(415, f"the content type must be {wanted.content_type('request')}")
    encoding = headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        return GateRefusal(415, "the only supported content encoding is gzip")
    return replace(wanted, gzip=encoding != "identity")


def _presented(authorization: str | None) -> str | None:
    if authorization is None or len(authorization) > _MAX_AUTHORIZATION:
        return None
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(value.strip().encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded.partition(b":")[0].decode("utf-8", "surrogateescape")


def _method_refused(allowed: str) -> GateRefusal:
    return GateRefusal(405, "the method is not allowed here", (("Allow", allowed),))
