"""Swapping a phantom token for the real credential: pure functions over one request's head.

`screen` refuses what the proxy does not interpret and finds the tokens a request presents; `swap` builds the request
that goes out. Between the two, the caller looks the tokens up. docs/security/vault-proxy.md says where a token is
accepted; everything else that could authenticate the client is dropped.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

from terok_sandbox.http1.head import RequestHead, read_request
from terok_sandbox.vault.refusal import VaultRefusal, malformed
from terok_sandbox.vault.request_parts import Fate, RequestTarget, canonical, credential_in_url, known, read_target
from terok_sandbox.vault.routes import Placement, Route
from terok_sandbox.vault.rules import METHODS
from terok_sandbox.vault.scrub import MAX_SECRET

BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_HEADERS: Final = 128
MAX_HEADER_BYTES: Final = 64 * 1024
HEADERS_TOO_LARGE: Final = VaultRefusal(431, "headers_too_large", "the request has too many or too large headers")
SMALL_HEAD: Final = 4096
"""Bytes of a request head up to which what follows from it is remembered."""
_ODD_VALUE = re.compile(rb"[^\x20-\x7e\t]")
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/=-]{1,1024}")
_SECRET = re.compile(rf"[\x21-\x7e]{{1,{MAX_SECRET}}}")
_KEY_PROTOCOL = re.compile(r"api-?key|bearer|token|auth", re.IGNORECASE)
_OTHER_HALF = re.compile(r"[\x20-\x7e]{0,256}")


@dataclass(frozen=True, slots=True)
class Presented:
    """A token as presented; `place` is `bearer`, `basic` or a header, `other` the other half of a Basic credential."""

    token: str
    place: str = "bearer"
    form: Literal["header", "basic-user", "basic-password"] = "header"
    other: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Screened:
    """A request head that may be forwarded once a token is recognized; `length` is None without a Content-Length.

    A head that is said again is the same object again, see `read_screened`.
    """

    method: str
    target: RequestTarget
    headers: tuple[tuple[str, str], ...]
    presented: tuple[Presented, ...]
    length: int | None
    chunked: bool
    expects_continue: bool
    websocket: bool
    subprotocols: tuple[str, ...]
    closes: bool = False
    """Whether the client ends its connection after this request."""


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """A request to an upstream: `target` is encoded, `headers` are all but Host and the body's framing."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    origin: str
    base: str


class _RefusedError(Exception):
    def __init__(self, refusal: VaultRefusal) -> None:
        self.refusal = refusal


class _Head:
    """Collects one request's headers by fate."""

    def __init__(self, places: frozenset[str]) -> None:
        self._places = places
        self.single: dict[Fate, str] = {}
        self.forward: list[tuple[str, str]] = []
        self.presented: list[Presented] = []
        self.connection: set[str] = set()
        self.subprotocols: list[str] = []
        self._tokens_seen: set[str] = set()

    def add(self, what: Fate, name: str, place: str, value: str) -> None:
        if self._places and place in self._places and what in (Fate.FORWARD, Fate.DROP):
            what = Fate.TOKEN
        if what is Fate.FORWARD:
            self.forward.append((name, value))
        elif what is Fate.TOKEN:
            if place in self._tokens_seen:
                raise _RefusedError(malformed(f"the header {place} occurs twice"))
            self._tokens_seen.add(place)
            if _TOKEN68.fullmatch(value):
                self.presented.append(Presented(value, place))
        elif what is Fate.CONNECTION:
            self.connection.update(option.strip().lower() for option in value.split(","))
        elif what is Fate.SUBPROTOCOL:
            # Browser-style clients put a key into a subprotocol name; like any client credential, it is dropped.
            items = (item.strip() for item in value.split(","))
            self.subprotocols += [item for item in items if item and not _KEY_PROTOCOL.search(item)]
        elif what is Fate.INVALID:
            raise _RefusedError(malformed("a header name is malformed, or imitates a framing header"))
        elif what is not Fate.DROP:
            if what in self.single:
                raise _RefusedError(malformed(f"the header {name} occurs twice"))
            self.single[what] = value
            if what is Fate.AUTHORIZATION:
                self.presented += _from_authorization(value)


def read_screened(head: bytes, places: frozenset[str]) -> tuple[RequestHead, Screened | VaultRefusal]:
    """Read a request head and check it, see `read_request` and `screen`; HttpSyntaxError for one that is none.

    A client says the same head again and again: what follows from its bytes alone is remembered for the last ones.
    """
    return (_screened_again if len(head) <= SMALL_HEAD else _screened)(head, places)


def _screened(head: bytes, places: frozenset[str]) -> tuple[RequestHead, Screened | VaultRefusal]:
    read = read_request(head)
    return read, screen(read.method, read.target, read.fields, places, minor=read.minor)


_screened_again = lru_cache(maxsize=64)(_screened)


def screen(
    method: str,
    raw_target: str,
    headers: Iterable[tuple[bytes, bytes]],
    places: frozenset[str] = frozenset(),
    *,
    minor: int = 1,
) -> Screened | VaultRefusal:
    """Check a request head and read the tokens it presents.

    `places` are headers in lower case that hold tokens for some route, beside the usual ones; it is HTTP/1.`minor`.
    """
    if method not in METHODS:
        return VaultRefusal(405, "method_refused", "the request method is not one the vault forwards")
    try:
        head = _read_head(headers, places)
        host = head.single.get(Fate.HOST, "")
        if not _HOST.fullmatch(host):
            return malformed("the request has no usable Host header")
        target = read_target(raw_target, host)
        if isinstance(target, VaultRefusal):
            return target
        length, chunked = _framing(head)
        if chunked and minor == 0:
            return malformed("an HTTP/1.0 request has a Transfer-Encoding")
        if method in BODILESS and (chunked or length):
            return malformed(f"a {method} request has a body")
        expect = head.single.get(Fate.EXPECT)
        if expect is not None and expect.lower() != "100-continue":
            return VaultRefusal(417, "expectation_refused", "the only Expect value understood is 100-continue")
    except _RefusedError as error:
        return error.refusal
    return Screened(
        method=method,
        target=target,
        headers=tuple((name, value) for name, value in head.forward if name.lower() not in head.connection),
        presented=tuple(head.presented),
        length=length,
        chunked=chunked,
        expects_continue=expect is not None and minor > 0,
        websocket=method == "GET"
        and "upgrade" in head.connection
        and head.single.get(Fate.UPGRADE, "").lower() == "websocket",
        subprotocols=tuple(head.subprotocols),
        closes="close" in head.connection,
    )


def swap(
    screened: Screened, presented: Presented, route: Route, credential: Mapping[str, Any]
) -> UpstreamRequest | VaultRefusal:
    """Build the request that goes to the route's upstream with the real credential in it."""
    if stray := _stray_token(screened, presented.token):
        return stray
    if presented.place not in route.token_in:
        return VaultRefusal(
            403,
            "token_misplaced",
            f"{route.provider} does not accept its token as {presented.place}",
            hint=f"send it as {' or '.join(sorted(route.token_in))}",
        )
    kind, secret = credential_secret(credential)
    if not secret or not _SECRET.fullmatch(secret):
        return VaultRefusal(
            502,
            "credential_unusable",
            f"the stored credential of {route.provider} has no key, or one that a header cannot carry",
            hint=f"store it again with `terok-sandbox vault set {route.provider}`",
        )
    placement = route.placement_for(kind)
    if placement.header.lower() == "x-goog-api-key":
        # Services with this header take a key from the query as well; `key` is too common a name to refuse elsewhere.
        for name in screened.target.names():
            if name.strip().lower().lstrip("$") == "key":
                return credential_in_url(name)
    upstream = route.upstream_for(screened.target.path)
    return UpstreamRequest(
        method=screened.method,
        target=upstream.base + screened.target.raw,
        headers=_with_credential(screened, placement, presented, secret),
        origin=upstream.origin,
        base=upstream.base,
    )


def credential_secret(credential: Mapping[str, Any]) -> tuple[str, str]:
    """Return a credential's type and the secret that is sent; "" if it holds none."""
    kind = credential.get("type")
    if not isinstance(kind, str) or not kind:
        kind = "oauth" if "access_token" in credential else "api_key"
    names = ("access_token", "token", "key") if kind == "oauth" else ("key", "token", "access_token")
    for name in names:
        value = credential.get(name)
        if isinstance(value, str) and value:
            return kind, value
    return kind, ""


def _read_head(headers: Iterable[tuple[bytes, bytes]], places: frozenset[str]) -> _Head:
    head, fields = _Head(places), list(headers)
    values = b"\t".join([value for _, value in fields])
    if len(fields) > MAX_HEADERS or len(values) + sum([len(name) + 3 for name, _ in fields]) > MAX_HEADER_BYTES:
        raise _RefusedError(HEADERS_TOO_LARGE)
    if _ODD_VALUE.search(values):
        raise _RefusedError(malformed("a header value has control or non-ASCII characters"))
    forward = head.forward
    for name, value in fields:
        what, shown, plain = known(name)
        if what is Fate.FORWARD and not places:
            forward.append((shown, value.decode("ascii").strip(" \t")))
        else:
            head.add(what, shown, plain, value.decode("ascii").strip(" \t"))
    return head


def _framing(head: _Head) -> tuple[int | None, bool]:
    length = head.single.get(Fate.LENGTH)
    encoding = head.single.get(Fate.TRANSFER_ENCODING)
    if encoding is not None and encoding.lower() != "chunked":
        raise _RefusedError(malformed("the only Transfer-Encoding understood is chunked"))
    if encoding is not None and length is not None:
        raise _RefusedError(malformed("both Content-Length and Transfer-Encoding are given"))
    if length is not None and not re.fullmatch("[0-9]{1,18}", length):
        raise _RefusedError(malformed("Content-Length is not a number"))
    return (None if length is None else int(length)), encoding is not None


def _from_authorization(value: str) -> list[Presented]:
    scheme, _, rest = value.partition(" ")
    rest = rest.strip(" \t")
    if not _TOKEN68.fullmatch(rest):
        return []
    if scheme.lower() in ("bearer", "token"):
        return [Presented(rest, "bearer")]
    if scheme.lower() != "basic":
        return []
    try:
        user, _, password = base64.b64decode(rest, validate=True).decode("utf-8").partition(":")
    except ValueError:
        return []
    halves = (Presented(password, "basic", "basic-password", user), Presented(user, "basic", "basic-user", password))
    return [half for half in halves if _TOKEN68.fullmatch(half.token)]


def _stray_token(screened: Screened, token: str) -> VaultRefusal | None:
    """Refuse a token that also stands where it is not swapped: it shows a client set up wrongly, or a probe."""
    if token in screened.target.raw or ("%" in screened.target.raw and token in screened.target.parts()):
        return token_in_url()
    places = [f"the header {name}" for name, value in screened.headers if token in value]
    places += ["the name of a header" for name, _ in screened.headers if token in name]
    places += ["a WebSocket subprotocol" for item in screened.subprotocols if token in item]
    if not places:
        return None
    return VaultRefusal(403, "token_misplaced", f"{places[0]} is not a place where the token is accepted")


def token_in_url() -> VaultRefusal:
    """Return the refusal of a request that carries its token in the URL."""
    return VaultRefusal(
        403,
        "token_in_url",
        "the token stands in the URL; it is accepted in a header only",
        hint="send it as Authorization: Bearer, or in the provider's API key header",
    )


def _with_credential(
    screened: Screened, placement: Placement, presented: Presented, secret: str
) -> tuple[tuple[str, str], ...]:
    """Add our headers. What the client sent under the same name is merged for extra headers, dropped for ours."""
    ours = canonical(placement.header)
    extra = {canonical(name): (name, value) for name, value in placement.extra_headers.items()}
    result = []
    for name, value in screened.headers:
        alias = canonical(name)
        if alias == ours:
            continue
        if alias in extra:
            if alias == name.lower():
                ours_name, ours_value = extra[alias]
                extra[alias] = (ours_name, _merged(value, ours_value))
            continue
        result.append((name, value))
    result.extend(extra.values())
    # How far an answer can be compressed depends on the secrets in it.
    result.append(("Accept-Encoding", "identity"))
    result.append((placement.header, _credential_value(placement, presented, secret)))
    return tuple(result)


def _merged(value: str, addition: str) -> str:
    """Append to a comma-separated list what it does not already have."""
    have = {item.strip() for item in value.split(",")}
    missing = [item.strip() for item in addition.split(",") if item.strip() not in have]
    return ",".join([value, *missing]) if value else addition


def _credential_value(placement: Placement, presented: Presented, secret: str) -> str:
    """Keep Basic where the client used Basic and the provider takes Authorization: git over HTTPS needs it."""
    if presented.form == "header" or placement.header.lower() != "authorization":
        return placement.prefix + secret
    other = presented.other if _OTHER_HALF.fullmatch(presented.other) else ""
    pair = f"{other}:{secret}" if presented.form == "basic-password" else f"{secret}:{other}"
    return "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")
