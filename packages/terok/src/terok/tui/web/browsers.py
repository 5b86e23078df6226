"""The browsers that were let in, and the link that lets the next one in. Nothing of it is ever written down."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

MOST: Final = 4
"""Browsers at a time: each has a program of its own."""


class Shown(Protocol):
    """The program of a browser, as far as it matters here."""

    @property
    def running(self) -> bool:
        """Whether there is a process."""

    @property
    def forgotten(self) -> bool:
        """Whether the browser is let in no more."""


P = TypeVar("P", bound=Shown)


class Browser(Generic[P]):
    """A browser that a link has let in.

    It proves who it is by two secrets. The cookie is sent by the browser itself and read by no script, but it is sent
    to every port of the host. The key is kept by the page, for this port alone, and given with each connection.
    """

    def __init__(self, program: P) -> None:
        self.program = program
        self.cookie, self.key = secrets.token_urlsafe(32), secrets.token_urlsafe(32)


class Browsers(Generic[P]):
    """At most `most` browsers, each with a program that `start` makes."""

    def __init__(self, start: Callable[[], P], most: int = MOST) -> None:
        self._start, self._most = start, most
        self._token = ""
        self._known: list[Browser[P]] = []

    def link(self) -> str:
        """Return the token of a new link; the one before, if it was not used, lets nobody in any more."""
        self._token = secrets.token_urlsafe(32)
        return self._token

    def right(self, token: str) -> bool:
        """Return whether a token is that of the link."""
        return _same(token, self._token)

    def enter(self) -> Browser[P] | None:
        """Let a browser in, which uses the link up; None if there are too many.

        A browser that was left or forgotten makes room, the one that came first before the others.
        """
        if len(self._known) >= self._most:
            gone = [one for one in self._known if one.program.forgotten or not one.program.running]
            if not gone:
                return None
            self._known.remove(gone[0])
        self._token = ""
        browser = Browser(self._start())
        self._known.append(browser)
        return browser

    def known(self, cookie: str, key: str) -> Browser[P] | None:
        """Return the browser with both secrets, None if there is none that is let in."""
        found = [one for one in self._known if _same(cookie, one.cookie) & _same(key, one.key)]
        return found[0] if found and not found[0].program.forgotten else None

    @property
    def programs(self) -> list[P]:
        """All programs."""
        return [one.program for one in self._known]


def _same(given: str, secret: str) -> bool:
    return bool(secret) and hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode())
