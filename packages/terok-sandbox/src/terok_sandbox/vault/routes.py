"""routes.json: which upstream a provider has and where its credential goes.

The file is generated from the agent roster. One object per provider::

    {"example": {
        "upstream": "https://api.example.com",            required; http or https, may have a path, nothing else
        "header": "x-api-key", "prefix": "",              default: Authorization, "Bearer "
        "extra_headers": {"name": "value"},               added to what the client sends
        "by_type": {"oauth": {"header": …, "prefix": …, "extra_headers": …}},    per credential type
        "path_upstreams": {"/backend-api": "https://…"},  longest matching path prefix wins
        "oauth_refresh": {"token_url": …, "client_id": …, "scope": …},   refreshes credentials with a refresh_token
        "rules": ["git-read", {"methods": […], "path": …}],     what may be asked for; default everything (see `rules`)
        "token_in": ["bearer", "basic", "x-api-key"],     where the client may present its token; default: the usual
                                                          places; other headers may be named
        "billed": false                                   requests cost nothing; default true: under a limit of cost,
    }}                                                    what cannot be priced is refused
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from terok_util import read_file

from terok_sandbox.values.names import is_plain
from terok_sandbox.vault.errors import RoutesError
from terok_sandbox.vault.request_parts import TOKEN_HEADERS, RequestTarget, canonical
from terok_sandbox.vault.rules import RouteRule, read_rules

T = TypeVar("T")
_KEYS: Final = frozenset({"token_url", "client_id", "scope", "client_secret"})
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class OAuthRefresh:
    """Parameters of a refresh request beside the refresh token."""

    token_url: str
    client_id: str
    scope: str | None = None
    client_secret: str | None = None


def read_oauth(value: Any) -> OAuthRefresh:
    """Check the object of a routes file; ValueError says what is wrong with it."""
    if not isinstance(value, dict) or not {"token_url", "client_id"} <= set(value) <= _KEYS:
        raise ValueError(f"must be an object with token_url and client_id; others are {sorted(_KEYS)}")
    for key, text in value.items():
        if not isinstance(text, str) or not text or len(text) > 2048 or not text.isascii() or not text.isprintable():
            raise ValueError(f"{key} must be printable ASCII")
    parts = urlsplit(value["token_url"])
    if parts.port == 0 or not parts.hostname or parts.username or parts.fragment or parts.query:
        raise ValueError("token_url must be a URL with a host and a path")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError("token_url must be an https URL")
    return OAuthRefresh(**value)


MAX_FILE_BYTES: Final = 1024 * 1024
_HEADER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,1024}")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\]")
_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)*/?")
_RESERVED_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "cookie", "te"})
_PLACEMENT_KEYS = frozenset({"header", "prefix", "extra_headers"})
_ROUTE_KEYS = _PLACEMENT_KEYS | {
    "upstream",
    "by_type",
    "path_upstreams",
    "rules",
    "token_in",
    "oauth_refresh",
    "billed",
}
PLACES: Final = TOKEN_HEADERS | {"bearer", "basic"}
"""Where every route accepts its token unless it says otherwise."""
_HINT = "run `terok-executor setup` to write the routes again, or correct the provider's YAML file"


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where requests go: `origin` is scheme://host[:port], `base` a path without trailing slash, "" for none."""

    origin: str
    base: str = ""


@dataclass(frozen=True, slots=True)
class Placement:
    """How a credential is presented: `header: prefix + secret`, with `extra_headers` beside it."""

    header: str = "Authorization"
    prefix: str = "Bearer "
    extra_headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Route:
    """One provider's upstreams and credential placements."""

    provider: str
    upstream: Upstream
    placement: Placement
    by_type: Mapping[str, Placement]
    path_upstreams: tuple[tuple[str, Upstream], ...]
    """(path prefix without trailing slash, upstream), longest prefix first."""
    rules: tuple[RouteRule, ...] | None = None
    """Permitted requests; None permits everything."""
    token_in: frozenset[str] = PLACES
    """`bearer`, `basic` and header names in lower case."""
    oauth_refresh: OAuthRefresh | None = None
    billed: bool = True
    """Whether requests may cost something."""

    def allows(self, method: str, target: RequestTarget) -> bool:
        """Tell whether the rules permit a request."""
        return self.rules is None or any(rule.allows(method, target) for rule in self.rules)

    def placement_for(self, kind: str) -> Placement:
        """Return where a credential of type `kind` goes."""
        return self.by_type.get(kind, self.placement)

    def upstream_for(self, path: str) -> Upstream:
        """Return the upstream of a path; prefixes match whole segments."""
        for prefix, upstream in self.path_upstreams:
            if path == prefix or path.startswith(prefix + "/"):
                return upstream
        return self.upstream


def load_routes(path: Path) -> dict[str, Route]:
    """Read and check the routes file; raises RoutesError."""
    try:
        data = read_file(path, MAX_FILE_BYTES)
    except FileNotFoundError:
        raise RoutesError(f"{path}: there is no routes file", hint=_HINT) from None
    except OSError as error:
        raise RoutesError(f"{path}: cannot be read: {error.strerror}", hint=_HINT) from error
    return parse_routes(data, source=str(path))


def parse_routes(data: bytes, *, source: str = "routes.json") -> dict[str, Route]:
    """Check the text of a routes file; `source` is named in errors."""
    try:
        document = json.loads(data, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        raise RoutesError(f"{source}: not valid JSON: {error}", hint=_HINT) from error
    if not isinstance(document, dict):
        raise RoutesError(f"{source}: must be an object with one entry per provider", hint=_HINT)
    routes = {}
    for provider, entry in document.items():
        reader = _Reader(source, provider)
        if not is_plain(provider):
            raise reader.error("", "not a usable provider name")
        routes[provider] = reader.route(entry)
    return routes


class _Reader:
    """Checks one provider's entry; keeps what an error message must name."""

    def __init__(self, source: str, provider: str) -> None:
        self.source, self.provider = source, provider

    def error(self, key: str, problem: str) -> RoutesError:
        error = RoutesError(f"{self.source}: provider {self.provider!r}{key and f', key {key}'}: {problem}", hint=_HINT)
        error.key, error.problem = key, problem
        return error

    def route(self, entry: Any) -> Route:
        self.known(entry, _ROUTE_KEYS, "")
        if "upstream" not in entry:
            raise self.error("upstream", "is required")
        placement = self.placement(entry, Placement(), "")
        by_type = self.mapping(entry, "by_type")
        for kind, value in by_type.items():
            self.known(value, _PLACEMENT_KEYS, f"by_type.{kind}")
        prefixes = self.mapping(entry, "path_upstreams")
        pairs = [(self.prefix(one), self.upstream(f"path_upstreams.{one}", url)) for one, url in prefixes.items()]
        placements = {kind: self.placement(value, placement, f"by_type.{kind}.") for kind, value in by_type.items()}
        return Route(
            provider=self.provider,
            upstream=self.upstream("upstream", entry["upstream"]),
            placement=placement,
            by_type=MappingProxyType(placements),
            path_upstreams=tuple(sorted(pairs, key=lambda pair: -len(pair[0]))),
            rules=self.read(entry, "rules", read_rules),
            token_in=self.places(entry["token_in"]) if "token_in" in entry else PLACES,
            oauth_refresh=self.read(entry, "oauth_refresh", read_oauth),
            billed=self.read(entry, "billed", _read_flag) is not False,
        )

    def read(self, entry: dict[str, Any], key: str, reader: Callable[[Any], T]) -> T | None:
        """Return what `reader` makes of a value, None if there is none; what it finds wrong is the key's error."""
        if key not in entry:
            return None
        try:
            return reader(entry[key])
        except ValueError as error:
            raise self.error(key, str(error)) from error

    def places(self, value: Any) -> frozenset[str]:
        if not isinstance(value, list) or not value or not all(isinstance(place, str) for place in value):
            raise self.error("token_in", "must be a list of places")
        for place in value:
            if place not in PLACES:
                self.header_name(f"token_in.{place}", place)
                if place != canonical(place) or place in ("authorization", "accept-encoding", "expect"):
                    raise self.error(f"token_in.{place}", "not a header that can hold a token, in lower case")
        return frozenset(value)

    def known(self, value: Any, keys: frozenset[str], where: str) -> None:
        if not isinstance(value, dict):
            raise self.error(where, "must be an object")
        for key in value:
            if key not in keys:
                raise self.error(f"{where}.{key}".lstrip("."), f"unknown; known are {', '.join(sorted(keys))}")

    def mapping(self, entry: dict[str, Any], key: str) -> dict[str, Any]:
        value = entry.get(key, {})
        if not isinstance(value, dict):
            raise self.error(key, "must be an object")
        return value

    def placement(self, entry: dict[str, Any], default: Placement, where: str) -> Placement:
        header = entry.get("header", default.header)
        # A header given without a prefix holds a bare key, but Authorization needs its scheme.
        usual = "Bearer " if str(header).lower() == "authorization" else ""
        prefix = entry.get("prefix", usual if "header" in entry else default.prefix)
        extra = self.mapping(entry, "extra_headers") if "extra_headers" in entry else dict(default.extra_headers)
        self.header_name(f"{where}header", header)
        self.header_value(f"{where}prefix", prefix)
        for name, value in extra.items():
            self.header_name(f"{where}extra_headers.{name}", name)
            self.header_value(f"{where}extra_headers.{name}", value)
        return Placement(header, prefix, MappingProxyType(extra))

    def header_name(self, key: str, name: Any) -> None:
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name) or name.lower() in _RESERVED_HEADERS:
            raise self.error(key, "not a header name the vault may set")

    def header_value(self, key: str, value: Any) -> None:
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise self.error(key, "must be printable ASCII")

    def prefix(self, value: str) -> str:
        key = f"path_upstreams.{value}"
        if not value.startswith("/") or not _PATH.fullmatch(value) or not value.strip("/"):
            raise self.error(key, "must be a path like /backend-api")
        return value.rstrip("/")

    def upstream(self, key: str, value: Any) -> Upstream:
        wrong = self.error(key, "must be an http or https URL with a host and nothing after the path")
        if not isinstance(value, str) or not value.isascii() or not value.isprintable():
            raise wrong
        try:
            parts = urlsplit(value)
            port = parts.port
        except ValueError:
            raise wrong from None
        host = parts.netloc.removesuffix(f":{port}" if port is not None else "").lower()
        if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host) or ".." in host:
            raise wrong
        if not {"?", "#", "@"}.isdisjoint(value) or not _PATH.fullmatch(parts.path):
            raise wrong
        if not {".", ".."}.isdisjoint(parts.path.split("/")):
            raise wrong
        return Upstream(f"{parts.scheme}://{host}{f':{port}' if port is not None else ''}", parts.path.rstrip("/"))


def _read_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise ValueError(f"the key {max(keys, key=keys.count)!r} occurs twice")
    return dict(pairs)
