"""Connections to upstreams: dialing, TLS, the host's HTTP proxy, and keeping idle connections for the next request."""

from __future__ import annotations

import asyncio
import base64
import math
import os
import ssl
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from terok_sandbox.http1.head import WireError, read_response
from terok_sandbox.vault.leg import Leg

if TYPE_CHECKING:
    from terok_sandbox.vault.leg import Watch

CONNECT_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 15.0
"""How long an unused connection is kept; less than what servers and middleboxes commonly allow."""
MAX_IDLE: Final = 64
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class ConnectTimeoutError(TimeoutError):
    """No connection within CONNECT_SECONDS."""


class ProxyFailedError(OSError):
    """The host's HTTP proxy does not connect us."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an origin is reached. `authority` is its Host header; `proxy` is a URL or None."""

    origin: str
    host: str
    port: int
    tls: bool
    authority: str
    proxy: str | None = None


@lru_cache(maxsize=256)
def endpoint(origin: str) -> Endpoint:
    """Return the endpoint of `scheme://host[:port]`; the environment's proxy is looked up once per origin."""
    parts = urlsplit(origin)
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    authority = parts.netloc.removesuffix(f":{_DEFAULT_PORTS[parts.scheme]}")
    return Endpoint(origin, parts.hostname or "", port, parts.scheme == "https", authority, environment_proxy(origin))


def environment_proxy(origin: str) -> str | None:
    """Return the proxy that the environment names for an origin."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    if host in ("localhost", "::1") or host.startswith("127."):
        return None
    proxy = _variable(f"{parts.scheme}_proxy")
    if not proxy or _is_direct(host, parts.netloc.lower()):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_direct(host: str, netloc: str) -> bool:
    """Tell whether NO_PROXY names a host, with or without its port, or a domain that it belongs to."""
    direct = _variable("no_proxy").lower()
    names = [entry.strip().lstrip(".") for entry in direct.split(",")]
    return direct == "*" or any(f".{text}".endswith(f".{name}") for name in names if name for text in (host, netloc))


def _variable(name: str) -> str:
    """Return a variable of the environment; spelled in lower case it goes before the other one, also where empty."""
    return os.environ.get(name, os.environ.get(name.upper(), ""))


class Pool:
    """Hands out connections, idle ones first. Create it inside a running event loop and close it there.

    Certificates are checked against the host's trust store (SSL_CERT_FILE and SSL_CERT_DIR are honored); the host's
    HTTPS_PROXY, HTTP_PROXY and NO_PROXY apply, except to upstreams on the loopback.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._idle: dict[str, deque[tuple[Leg, float]]] = {}
        self._tls: ssl.SSLContext | None = None

    def idle(self, target: Endpoint) -> Leg | None:
        """Return a kept connection that is still fit, newest first."""
        kept = self._idle.get(target.origin)
        while kept:
            leg, since = kept.pop()
            if leg.alive and self._watch.loop.time() - since < IDLE_SECONDS:
                leg.read_by = math.inf
                return leg
            leg.abort()
        return None

    def keep(self, target: Endpoint, leg: Leg) -> None:
        """Take back a connection whose exchange has ended exactly where its messages ended."""
        if not leg.alive:
            leg.abort()
            return
        now = self._watch.loop.time()
        kept = self._idle.setdefault(target.origin, deque())
        while kept and (len(kept) >= MAX_IDLE or now - kept[0][1] >= IDLE_SECONDS):
            kept.popleft()[0].abort()
        leg.read_by = now + IDLE_SECONDS
        kept.append((leg, now))

    async def dial(self, target: Endpoint) -> Leg:
        """Open a connection.

        Raises:
            OSError, ConnectTimeoutError, ProxyFailedError: it cannot be opened.

        """
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                if target.proxy is None:
                    tls = self._context() if target.tls else None
                    return await self._connect(target.host, target.port, tls, target.host)
                return await self._through_proxy(target, target.proxy)
        except TimeoutError as error:
            raise ConnectTimeoutError from error

    def close(self) -> None:
        """Close all idle connections."""
        for kept in self._idle.values():
            for leg, _ in kept:
                leg.abort()
        self._idle.clear()

    async def _connect(self, host: str, port: int, tls: ssl.SSLContext | None, name: str) -> Leg:
        _, leg = await self._watch.loop.create_connection(
            lambda: Leg(self._watch),
            host,
            port,
            ssl=tls,
            server_hostname=name if tls else None,
            happy_eyeballs_delay=0.25,
        )
        return leg

    async def _through_proxy(self, target: Endpoint, proxy: str) -> Leg:
        parts = urlsplit(proxy)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ProxyFailedError("the environment names a proxy that is not an http or https URL")
        tls = self._context() if parts.scheme == "https" else None
        leg = await self._connect(parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme], tls, parts.hostname)
        if not target.tls:
            return leg
        try:
            host = f"[{target.host}]" if ":" in target.host else target.host
            where = f"{host}:{target.port}"
            leg.write(f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n{proxy_authorization(proxy)}\r\n".encode("ascii"))
            head = await leg.head(CONNECT_SECONDS, CONNECT_SECONDS)
            if head is None or read_response(head).status != 200:
                raise ProxyFailedError("the HTTP proxy refuses the connection")
            if not leg.alive:
                # A TLS server does not speak first: this would be taken for the provider's, without its certificate.
                raise ProxyFailedError("the HTTP proxy says more than its answer")
            secured = await self._watch.loop.start_tls(leg.transport, leg, self._context(), server_hostname=target.host)
            if secured is None:
                raise ProxyFailedError("the HTTP proxy closed the connection")
            leg.connection_made(secured)
        except WireError as error:
            leg.abort()
            raise ProxyFailedError("the HTTP proxy does not speak HTTP") from error
        except BaseException:
            leg.abort()
            raise
        return leg

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


def proxy_authorization(proxy: str) -> str:
    """Return the Proxy-Authorization header line for a proxy URL, "" if it names no user."""
    parts = urlsplit(proxy)
    if not parts.username:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode('ascii')}\r\n"
