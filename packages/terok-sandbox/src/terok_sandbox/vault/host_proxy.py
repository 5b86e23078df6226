"""The HTTP proxy that the host's environment names: HTTPS_PROXY, HTTP_PROXY and NO_PROXY."""

from __future__ import annotations

import base64
import os
from urllib.parse import unquote, urlsplit


def environment_proxy(origin: str) -> str | None:
    """Return the proxy that the environment names for an origin."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    if host in ("localhost", "::1") or host.startswith("127."):
        return None
    proxy = _variable(f"{parts.scheme}_proxy")
    if not proxy or _is_direct(parts.netloc.lower(), parts.port):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_direct(netloc: str, port: int | None) -> bool:
    """Tell whether NO_PROXY names a host, with or without its port, or a domain that it belongs to."""
    direct = _variable("no_proxy").lower()
    names = [entry.strip().lstrip(".") for entry in direct.split(",")]
    texts = (netloc, netloc.removesuffix(f":{port}"))  # an IPv6 address with its brackets, as Python reads it
    return direct == "*" or any(f".{text}".endswith(f".{name}") for name in names if name for text in texts)


def _variable(name: str) -> str:
    """Return a variable of the environment; spelled in lower case it goes before the other one, also where empty."""
    return os.environ.get(name, os.environ.get(name.upper(), ""))


def proxy_authorization(proxy: str) -> str:
    """Return the Proxy-Authorization header line for a proxy URL, "" if it names no user."""
    parts = urlsplit(proxy)
    if not parts.username:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode('ascii')}\r\n"
