"""Name servers by address and port."""

from __future__ import annotations

from ipaddress import ip_address

from terok_sandbox.errors import ConfigError

Server = tuple[str, int]


def parse_server(text: str) -> Server:
    """Return the name server written as `address`, `address:port` or `[IPv6]:port`; raises ConfigError."""
    host, port = text, "53"
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest[1:] if rest.startswith(":") else "" if rest else "53"
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        ip_address(host.partition("%")[0])
        if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
            raise ValueError(port)
    except ValueError:
        raise ConfigError(
            f"invalid name server {text[:64]!r}", hint="use 192.0.2.53, 192.0.2.53:5353 or [::1]:5353"
        ) from None
    return host, int(port)
