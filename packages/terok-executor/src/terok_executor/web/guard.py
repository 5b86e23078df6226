"""Who may see a page: a function of the request's headers and the page's token, with no server around it."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

COOKIE_PREFIX = "terok_token_"
Verdict = Literal["pass", "enter", "unknown", "foreign"]


@dataclass(frozen=True, slots=True)
class Guard:
    """Guards one page, which is served on `port` of the host's loopback and perhaps published as `public_url`."""

    port: int
    public_url: str = ""
    token: str = field(default="", repr=False)

    @property
    def cookie(self) -> str:
        """The cookie's name: browsers send cookies to every port of a host, so each page has a name of its own."""
        return f"{COOKIE_PREFIX}{self.port}"

    @property
    def origin(self) -> str:
        """Where a browser finds the page."""
        return self.public_url.rstrip("/") or f"http://127.0.0.1:{self.port}"

    def judge(self, method: str, target: str, headers: Mapping[str, str]) -> Verdict:
        """Decide about a request; `headers` has lower-case names.

        `enter`: the token in the query is right, and belongs into a cookie. `unknown`: no token, or a wrong one.
        `foreign`: the request comes from another site's page, or was sent to a name that is not the page's.
        """
        if headers.get("host", "") not in self._hosts():
            return "foreign"
        shown = dict(parse_qsl(urlsplit(target).query)).get("token")
        if shown is not None and method == "GET":
            return "enter" if self._matches(shown) else "unknown"
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

    def _hosts(self) -> set[str]:
        return {urlsplit(origin).netloc for origin in self._origins()}


def cookies(header: str) -> dict[str, str]:
    """Return the cookies of a header; none of a header that cannot be read."""
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


def without_ours(header: str) -> str:
    """Return a `Cookie` header without the tokens of any page of ours: no container may learn another's."""
    parts = (part.strip() for part in header.split(";"))
    return "; ".join(part for part in parts if part and not part.startswith(COOKIE_PREFIX))


def without_token(target: str) -> str:
    """Return a request target without the token in its query."""
    parts = urlsplit(target)
    query = urlencode([(key, value) for key, value in parse_qsl(parts.query) if key != "token"])
    path = re.sub(r"^[/\\]+", "/", parts.path) or "/"
    return f"{path}?{query}" if query else path
