"""Reads what a vendor's sign-in prints and finds what a person has to know. Pure.

The text comes out of a container and is not trusted: a URL counts only if it begins as the roster says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from terok_util import safe_text

from terok_executor.roster.types import LoginSpec

EventKind = Literal["url", "code", "input", "waiting", "done", "failed"]
MAX_HELD = 64 * 1024
_CONTROL = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-_]")
_URL = re.compile(r"https?://[!-~]+")


@dataclass(frozen=True, slots=True)
class AuthEvent:
    """One thing a front end shows.

    `url`      the page to open; `text` is its address
    `code`     `text` is to be typed there
    `input`    `text` says what `AuthSession.answer` is to be given
    `waiting`  nothing to do here until the person is done there
    `done`     the credential is in the vault; `text` says as what
    `failed`   nothing was stored; `text` says why, `hint` what to do
    """

    kind: EventKind
    text: str = ""
    hint: str = ""


@dataclass(slots=True)
class LoginOutput:
    """Collects the output of one sign-in."""

    spec: LoginSpec
    _held: str = ""
    _seen: set[str] = field(default_factory=set)
    _last: str = ""

    def feed(self, data: bytes) -> list[AuthEvent]:
        """Take more output and return what it newly tells, page before code before question."""
        self._held = (self._held + data.decode("utf-8", "replace"))[-MAX_HELD:]
        # A line that is not complete may hold the beginning of a URL only.
        complete, newline, rest = self._held.rpartition("\n")
        if not newline:
            return []
        self._held = rest
        return self._read(_CONTROL.sub("", complete))

    def finish(self) -> list[AuthEvent]:
        """Return what the last, incomplete line tells; also asked for when the output pauses."""
        held, self._held = _CONTROL.sub("", self._held), ""
        return self._read(held)

    @property
    def last_line(self) -> str:
        """The last line with text in it, safe to show."""
        return safe_text(self._last, limit=300)

    def _read(self, text: str) -> list[AuthEvent]:
        events: list[AuthEvent] = []
        for line in text.replace("\r", "\n").splitlines():
            self._last = line.strip() or self._last
            urls = [url.rstrip(".,)") for url in _URL.findall(line)]
            events += self._new("url", [url for url in urls if url.startswith(self.spec.urls)])
            if self.spec.code and not urls:
                events += self._new("code", re.findall(self.spec.code, line)[:1])
        if self.spec.paste and any(event.kind == "url" for event in events):
            events.append(AuthEvent("input", self.spec.paste))
        return events

    def _new(self, kind: EventKind, texts: list[str]) -> list[AuthEvent]:
        fresh = [text for text in texts if text not in self._seen]
        self._seen.update(fresh)
        return [AuthEvent(kind, text) for text in fresh]
