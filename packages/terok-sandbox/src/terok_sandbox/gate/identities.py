"""Who commits say they are by, and when: what a reviewer has to know of that, in words."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from terok_util.text import safe_text

_MAX_SIZE: Final = 256 * 1024
_SETTING: Final = re.compile(r"\s*(name|email)\s*=\s*\"?([^\"#;]*)", re.IGNORECASE)
_LEEWAY: Final = timedelta(days=1)
"""Clocks differ, and time zones are mistaken."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A name and address as a commit states them, with a moment (ISO 8601, or what git said instead)."""

    name: str
    email: str
    when: str

    def __str__(self) -> str:
        return safe_text(f"{self.name} <{self.email}>")

    def is_of(self, person: frozenset[str]) -> bool:
        """Tell whether it has a name or an address of the `person`."""
        return not person.isdisjoint({self.name.strip().casefold(), self.email.strip().casefold()})


def person(environ: Mapping[str, str] = os.environ) -> frozenset[str]:
    """Return name and address that the person's own git configuration states; no program is run for it."""
    home = Path(environ.get("HOME") or "/")
    chosen = environ.get("GIT_CONFIG_GLOBAL")
    places = [Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "git/config", home / ".gitconfig"]
    known: dict[str, str] = {}
    for place in [Path(chosen)] if chosen else places:
        try:
            with place.open("rb") as stream:
                text = stream.read(_MAX_SIZE).decode("utf-8", "replace")
        except OSError:
            continue
        section = ""
        for line in text.splitlines():
            if line.lstrip().startswith("["):
                section = line.strip().lower()
            elif section == "[user]" and (match := _SETTING.match(line)):
                known[match[1].lower()] = match[2].strip().casefold()
    return frozenset(value for value in known.values() if value)


def remarks(
    author: Signature, committer: Signature, mine: frozenset[str], now: datetime | None = None
) -> tuple[str, ...]:
    """Return what stands out in a commit of an agent: the reviewer's own name, another committer, a future date."""
    found = []
    if author.is_of(mine) or committer.is_of(mine):
        found.append("in your name")
    if (author.name, author.email) != (committer.name, committer.email):
        found.append(f"committed by {committer}")
    latest = (now or datetime.now(UTC)) + _LEEWAY
    for what, moment in (("written", author.when), ("committed", committer.when)):
        try:
            if datetime.fromisoformat(moment) > latest:
                found.append(f"{what} in the future: {moment}")
        except (ValueError, TypeError):
            found.append(f"{what} at a time that is none")
    return tuple(found)
