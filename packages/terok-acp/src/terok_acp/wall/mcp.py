"""MCP servers that an editor names for a session (R22).

Commands would run in the container and addresses are called from there: what the editor means by them is on its own
machine. Headers and variables may hold secrets, so no message shows more of a server than its name and host.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, urlsplit

from terok_acp.wall.content import name_of
from terok_acp.wall.rules import Rules

_PORTS = {"http": 80, "https": 443}
_HOST_NAMES = frozenset({"localhost", "host.docker.internal", "host.containers.internal", "gateway.docker.internal"})
_FORBIDDEN = frozenset("\\\t\r\n \0")


def servers_in(servers: object, rules: Rules) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return the servers that a session may have, and a line about each that it does not get."""
    kept: list[dict[str, Any]] = []
    notices = []
    for server in servers if isinstance(servers, list) else []:
        reason = _refusal(server, rules) if isinstance(server, dict) else "it is not described as the protocol says"
        if reason is None:
            kept.append({name: value for name, value in server.items() if name != "_meta"})
        else:
            name = name_of(server.get("name")) if isinstance(server, dict) else "unnamed"
            notices.append(f"MCP server {name} was left out: {reason}")
    return kept, tuple(notices)


def _refusal(server: dict[str, Any], rules: Rules) -> str | None:
    kind = server.get("type", "stdio")
    if kind == "stdio":
        command = server.get("command")
        if isinstance(command, str) and command in rules.mcp_commands:
            return None
        return "its command would run in the container, and the project does not allow that"
    if kind in {"http", "sse"}:
        return _address_refusal(server.get("url"), rules.host_allowed)
    return "servers of this kind are not passed on"


def _address_refusal(url: object, host_allowed: Callable[[str, int], bool]) -> str | None:
    parts = _split(url)
    if parts is None or parts.scheme not in _PORTS or not parts.hostname:
        return "its address has to be an http or https URL"
    if parts.username is not None or parts.password is not None:
        return "its address holds a user name or password"
    host = parts.hostname.rstrip(".").lower()
    if _own_machine(host):
        return f"{name_of(host)} means the editor's machine, which a container does not reach"
    try:
        port = parts.port or _PORTS[parts.scheme]
    except ValueError:
        return "its address has no valid port"
    if not host_allowed(host, port):
        return f"the shield does not allow {name_of(host)}:{port}"
    return None


def _split(url: object) -> SplitResult | None:
    if not isinstance(url, str) or not _FORBIDDEN.isdisjoint(url) or not url.isascii():
        return None
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _own_machine(host: str) -> bool:
    """Say whether a host is loopback, link-local or a name of the machine, in any of the ways to write a number."""
    if not host or host in _HOST_NAMES or host.endswith(".localhost"):
        return True
    address = _address(host)
    if address is None:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_unspecified or address.is_link_local


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return _old_style(host)


def _old_style(host: str) -> ipaddress.IPv4Address | None:
    """Read the forms that `inet_aton` takes: one to four numbers, decimal, octal or hexadecimal."""
    numbers = [_number(part) for part in host.split(".")]
    if len(numbers) > 4 or any(number is None for number in numbers):
        return None
    *first, last = [number or 0 for number in numbers]
    value = last
    for place, number in enumerate(first):
        value += number << 8 * (3 - place)
    return ipaddress.IPv4Address(value & 0xFFFFFFFF)


def _number(text: str) -> int | None:
    base = 16 if text[:2] == "0x" else 8 if len(text) > 1 and text[0] == "0" else 10
    digits = text[2:] or "0" if base == 16 else text
    try:
        return int(digits, base) if digits.isalnum() and len(digits) < 40 else None
    except ValueError:
        return None
