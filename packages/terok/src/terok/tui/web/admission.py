"""Which requests may speak to the server at all, by their headers; pure.

A page of another site can send requests here, and a name of another site can be made to point here (DNS rebinding). The
first are known by their origin, the second by the name that was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import Final, NamedTuple

COOKIE: Final = "terok_token_"
"""The beginning of the cookie's name. Pages of containers, on other ports of the host, are given no such cookies."""
PROTOCOL: Final = "terok."
"""In front of a page's key, among the protocols that its web socket offers."""


class Address(NamedTuple):
    """Where the server is."""

    host: str
    port: int

    @property
    def origin(self) -> str:
        """The address as a person opens it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return ip_address(self.host).is_loopback

    @property
    def cookie(self) -> str:
        """The name of the cookie, of which a host has one for each of its ports."""
        return f"{COOKIE}{self.port}"

    @property
    def origins(self) -> frozenset[str]:
        """All addresses under which a browser may open it."""
        return frozenset((self.origin, *((f"http://localhost:{self.port}",) if self.local else ())))


def refusal(address: Address, headers: Mapping[str, str], *, acts: bool) -> str:
    """Return why a request is refused, "" if it is not.

    Args:
        address: Where the server is.
        headers: By lower-case names.
        acts: Whether the request does something; then it has to come from a page of this server.
    """
    asked = f"http://{headers.get('host', '').lower()}"
    if asked not in address.origins:
        return f"This is {address.origin}, and answers to no other name."
    origin = headers.get("origin")
    if origin is None and not acts:
        return ""
    if origin != asked or headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return "This request comes from another site."
    return ""


def cookie(header: str, name: str) -> str:
    """Return a cookie's value from the header, "" if there is none or it cannot be read."""
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def key(offered: str) -> str:
    """Return the page's key from the protocols that its web socket offers, "" if there is none."""
    words = [word.strip() for word in offered.split(",")]
    return next((word.removeprefix(PROTOCOL) for word in words if word.startswith(PROTOCOL)), "")
