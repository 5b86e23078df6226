"""What a request to the gate asks for, and whether it may: pure functions over the request's head.

Exactly one repository is served and exactly six requests are known; everything else is refused as spelled, nothing
is decoded or normalized first.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Service = Literal["git-upload-pack", "git-receive-pack"]
Action = Literal["head", "advertise", "call"]

_SERVICES: Final[Mapping[str, Service]] = {
    "git-upload-pack": "git-upload-pack",
    "git-receive-pack": "git-receive-pack",
}
_PROTOCOL: Final = re.compile(r"[a-z0-9=:.,-]{1,64}\Z")
_MAX_AUTHORIZATION: Final = 1024


@dataclass(frozen=True, slots=True)
class GateRequest:
    """A request that may be served: the branch a clone checks out, a service's advertisement, or a call of it."""

    action: Action
    service: Service | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is not served, with its HTTP status."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()


def token_hash(token: str) -> str:
    """Return the SHA-256 of a gate token in hexadecimal, as the wiring holds it."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def gate_url(token: str, name: str, port: int, host: str = "127.0.0.1") -> str:
    """Return the URL that a client uses. The empty password keeps git from asking for one."""
    return f"http://{token}:@{host}:{port}/{name}.git"


def authorize(authorization: str | None, token_sha256: str) -> Refusal | None:
    """Return None when the header carries the token: as user name of Basic, or as Bearer."""
    token = _presented(authorization)
    given = token_hash(token if token is not None else "")
    if hmac.compare_digest(given, token_sha256.lower()) and token:
        return None
    return Refusal(401, "the gate token is missing or wrong", (("WWW-Authenticate", 'Basic realm="terok gate"'),))


def route(method: str, target: str, name: str) -> GateRequest | Refusal:
    """Return what ``method`` on ``target`` (path and query as received) asks of the repository ``name``."""
    root = f"/{name}.git/"
    tail = target.removeprefix(root) if target.startswith(root) else ""
    if tail == "HEAD":
        return GateRequest("head") if method == "GET" else _method_refused("GET")
    if tail in _SERVICES:
        return GateRequest("call", _SERVICES[tail]) if method == "POST" else _method_refused("POST")
    path, _, query = tail.partition("?")
    if path == "info/refs":
        if method != "GET":
            return _method_refused("GET")
        service = _SERVICES.get(query.removeprefix("service=")) if query.startswith("service=") else None
        if service is None:
            return Refusal(403, "only the smart protocol is spoken here")
        return GateRequest("advertise", service)
    return Refusal(404, "there is no such thing here")


def cgi_variables(request: GateRequest, headers: Mapping[str, str], mirror_name: str) -> dict[str, str] | Refusal:
    """Return the CGI variables of a request for the mirror directory named ``mirror_name``.

    ``headers`` has lower-case names. The length of the body is never passed on: ``git http-backend`` reads to the
    end of its input without one, but spins forever when a body ends before the length it was told.
    """
    service = request.service or ""
    variables = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "GIT_HTTP_EXPORT_ALL": "1",
        "REMOTE_USER": "container",
        "REMOTE_ADDR": "127.0.0.1",
    }
    protocol = headers.get("git-protocol", "")
    if _PROTOCOL.match(protocol):
        variables["GIT_PROTOCOL"] = protocol
    if request.action == "advertise":
        return variables | {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": f"/{mirror_name}/info/refs",
            "QUERY_STRING": f"service={service}",
        }
    expected = f"application/x-{service}-request"
    if headers.get("content-type", "") != expected:
        return Refusal(415, f"the content type must be {expected}")
    encoding = headers.get("content-encoding", "identity").lower()
    if encoding in ("gzip", "x-gzip"):
        variables["HTTP_CONTENT_ENCODING"] = "gzip"
    elif encoding != "identity":
        return Refusal(415, "only gzip is known as content encoding")
    return variables | {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": f"/{mirror_name}/{service}",
        "QUERY_STRING": "",
        "CONTENT_TYPE": expected,
    }


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


def _method_refused(allowed: str) -> Refusal:
    return Refusal(405, "the method is not used here", (("Allow", allowed),))
