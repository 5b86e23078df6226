"""Admission to a page: a function of the request's headers and the page's token, without a server."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

COOKIE_PREFIX = "terok_token_"
Admission = Literal["pass", "enter", "unknown", "foreign"]


@dataclass(frozen=True, slots=True)
class Guard:
    """Guards one page, which is served on `port` of the host's loopback and perhaps published as `public_url`."""

    port: int
    public_url: str = ""
    token: str = field(default="", repr=False)

    @property
    def cookie(self) -> str:
        """The cookie's name; each page has its own, because browsers send cookies to every port of a host."""
        return f"{COOKIE_PREFIX}{self.port}"

    @property
    def origin(self) -> str:
        """The page's origin in a browser."""
        return self.public_url.rstrip("/") or f"http://127.0.0.1:{self.port}"

    def admit(self, method: str, target: str, headers: Mapping[str, str]) -> Admission:
        """Decide whether a request may pass; `headers` has lower-case names.

        `enter`: the token in the query is right and has to be put into a cookie. `unknown`: no token, or a wrong one.
        `foreign`: the request comes from another site's page, or was sent to a name that is not the page's.
        """
        if headers.get("host", "") not in {urlsplit(origin).netloc for origin in self._origins()}:
            return "foreign"
        token = dict(parse_qsl(urlsplit(target).query)).get("token")
        if token is not None and method == "GET":
            return "enter" if self._matches(token) else "unknown"
        if not self._matches(cookies(headers.get("cookie", "")).get(self.cookie, "")):
            return "unknown"
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if (origin is not None and origin not in self._origins()) or site not in ("none", "same-origin"):
            return "foreign"
        return "pass"

    def _matches(self, text: str) -> bool:
        return bool(self.token) and hmac.compare_digest(text.encode("utf-8", "replace"), self.token.encode())

    def _origins(self) -> set[str]:
        return {self.origin, f"http://127.0.0.1:{self.port}", f"http://localhost:{self.port}"}


def cookies(header: str) -> dict[str, str]:
    """Return the cookies of a header; none if it cannot be parsed."""
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


def without_tokens(header: str) -> str:
    """Return a `Cookie` header without the tokens of pages, because no container may learn another's."""
    parts = (part.strip() for part in header.split(";"))
    return "; ".join(part for part in parts if part and not part.startswith(COOKIE_PREFIX))


def without_token(target: str) -> str:
    """Return a request target without the token in its query."""
    parts = urlsplit(target)
    query = urlencode([(key, value) for key, value in parse_qsl(parts.query) if key != "token"])
    path = re.sub(r"^[/\\]+", "/", parts.path) or "/"
    return f"{path}?{query}" if query else path
