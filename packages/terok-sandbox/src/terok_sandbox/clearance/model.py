"""The values of clearance: targets, requests and verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, field, replace
from typing import Any, Final, Literal, Self

from terok_util.text import safe_text
from terok_util.values import lean_dataclass

from terok_sandbox.clearance.errors import BadVerdict, ClearanceError
from terok_sandbox.clearance.lookalike import is_punycode, registrable_domain

Action = Literal["allow", "deny"]
Duration = Literal["once", "minutes", "task", "project"]
ACTIONS: Final[tuple[Action, ...]] = ("allow", "deny")
DURATIONS: Final[tuple[Duration, ...]] = ("once", "minutes", "task", "project")

MAX_TEXT: Final = 200
MAX_REASON: Final = 300
MAX_MINUTES: Final = 7 * 24 * 60
MAX_DOSSIER: Final = 16
ONCE_SECONDS: Final = 60  # how long "once" opens for new connections; those that were made live on


@lean_dataclass(frozen=True, slots=True)
class Target:
    """A destination that the container wanted to reach: a `name`, an `address` or both; a lookup has no `port`."""

    name: str = ""
    address: str = ""
    port: int | None = None
    proto: str = "tcp"

    @property
    def key(self) -> tuple[str, int | None, str]:
        """Two sightings with the same key are the same question."""
        return (self.name or self.address, self.port, self.proto)

    def __str__(self) -> str:
        """Return the target as policy lines spell it."""
        host = self.name or self.address
        if self.port is None:
            return host
        return f"[{host}]:{self.port}/{self.proto}" if ":" in host else f"{host}:{self.port}/{self.proto}"

    @property
    def services(self) -> str:
        """The services that an allow opens, in words."""
        return "tcp 443 and 80" if self.port is None else f"{self.proto} {self.port}"


@lean_dataclass(frozen=True, slots=True)
class ClearanceRequest:
    """One question. Times are seconds since the epoch; `why` is the reason for the refusal.

    `domain` is the registrable domain, `punycode` warns of look-alike letters, `first_time` says that the
    container never asked for this domain before. `program` is the one that asks, as far as a front end has found it.
    """

    id: str
    container: str
    target: Target
    why: str
    first_seen: float
    last_seen: float
    count: int = 1
    first_time: bool = True
    dossier: Mapping[str, str] = field(default_factory=dict)
    program: str = ""

    @property
    def domain(self) -> str:
        """The registrable domain, or the address."""
        return registrable_domain(self.target.name or self.target.address)

    @property
    def punycode(self) -> bool:
        """Whether the name encodes other letters than it shows."""
        return is_punycode(self.target.name)

    def again(self, now: float) -> ClearanceRequest:
        """Return the request after another sighting."""
        return replace(self, last_seen=max(now, self.last_seen), count=self.count + 1)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the protocol and of the journal."""
        found = {"target": str(self.target), "domain": self.domain, "punycode": self.punycode}
        return {**asdict(self), **asdict(self.target), **found}

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Parse the JSON of `to_json`; raises `ClearanceError`."""
        if not isinstance(raw, dict):
            raise ClearanceError("not an object")
        row: dict[str, Any] = raw
        port = row.get("port")
        if port is not None and (type(port) is not int or not 0 <= port <= 65535):
            raise ClearanceError("invalid port: use 0 to 65535 or null")
        target = Target(text_of(row, "name", 253), text_of(row, "address", 64), port, text_of(row, "proto", 16))
        if not target.name and not target.address:
            raise ClearanceError("a request without a target")
        return cls(
            id=text_of(row, "id", 64, empty=False),
            container=text_of(row, "container", 63),
            target=target,
            why=text_of(row, "why", MAX_TEXT + 1),
            first_seen=_number(row, "first_seen"),
            last_seen=_number(row, "last_seen"),
            count=int(_number(row, "count")),
            first_time=row.get("first_time") is True,
            dossier=dossier_of(row.get("dossier", {})),
            program=text_of(row, "program", 32) if row.get("program") else "",
        )


@lean_dataclass(frozen=True, slots=True)
class Verdict:
    """An answer. `minutes` belongs to the duration `minutes` alone; `reason` reaches the agent."""

    action: Action
    duration: Duration = "once"
    minutes: int = 0
    reason: str = ""

    @property
    def allowed(self) -> bool:
        """Whether it allows."""
        return self.action == "allow"

    @property
    def seconds(self) -> float:
        """How long it holds; endless for a task or project."""
        return {"once": float(ONCE_SECONDS), "minutes": self.minutes * 60.0}.get(self.duration, math.inf)

    @property
    def span(self) -> str:
        """The duration in words."""
        words = {"once": "once", "task": "for this task", "project": "for this project"}
        return words.get(self.duration, f"for {self.minutes} minutes")

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the protocol and of the journal."""
        return {"action": self.action, "scope": self.duration, "minutes": self.minutes, "reason": self.reason}

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Parse and check; raises `BadVerdict` for anything that is not one whole, unambiguous verdict."""
        if not isinstance(raw, dict):
            raise BadVerdict("not a verdict: use a JSON object")
        action, duration, minutes = raw.get("action"), raw.get("scope", "once"), raw.get("minutes", 0)
        reason = raw.get("reason", "")
        if action not in ACTIONS:
            raise BadVerdict("unknown action: use allow or deny")
        if duration not in DURATIONS:
            raise BadVerdict(f"unknown scope: use one of {', '.join(DURATIONS)}")
        if type(minutes) is not int or (not 1 <= minutes <= MAX_MINUTES if duration == "minutes" else minutes != 0):
            raise BadVerdict(f"invalid minutes: use 1 to {MAX_MINUTES}, and with the scope minutes only")
        if not isinstance(reason, str):
            raise BadVerdict("not a reason: use a text")
        return cls(action, duration, minutes, safe_text(reason, limit=MAX_REASON))


def dossier_of(raw: object) -> dict[str, str]:
    """Return a bounded mapping of safe texts; whatever else `raw` holds is left out."""
    if not isinstance(raw, dict):
        return {}
    pairs = [(key, value) for key, value in raw.items() if isinstance(key, str) and isinstance(value, str)]
    return {safe_text(key, limit=32): safe_text(value, limit=MAX_TEXT) for key, value in pairs[:MAX_DOSSIER]}


def text_of(row: Mapping[str, Any], key: str, limit: int, *, empty: bool = True) -> str:
    """Return a text field, made safe; raises `ClearanceError` when it is missing, no text or too long."""
    value = row.get(key)
    if not isinstance(value, str) or len(value) > limit or not (value or empty):
        raise ClearanceError(f"{key}: missing or unusable")
    return safe_text(value)


def _number(row: Mapping[str, Any], key: str) -> float:
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise ClearanceError(f"{key}: no number")
    return float(value)
