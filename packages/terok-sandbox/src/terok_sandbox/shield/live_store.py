"""Live verdicts and posture as values, and the file that carries them over restarts."""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from terok_util import TerokError, write_sensitive_file

from terok_sandbox.errors import ShieldError
from terok_sandbox.shield.errors import PolicyError
from terok_sandbox.shield.policy.grammar import Rule, parse_policy_line
from terok_sandbox.values.posture import SCHEMA, Posture, damaged_posture, read_posture

if TYPE_CHECKING:
    from pathlib import Path

ROOM: Final = 8192
"""Bytes of blank space behind the state: what a full disk gives no room for is written over the old state."""
Scope = Literal["once", "minutes", "task", "project"]


@dataclass(frozen=True, slots=True)
class LiveVerdict:
    """A person's answer. `target` is a policy target (`host.example:443/tcp`), `expires` is aware or `None`."""

    target: str
    verdict: Literal["allow", "deny"]
    scope: Scope = "task"
    expires: datetime | None = None
    reason: str = ""

    def live(self, now: datetime) -> bool:
        """Whether it has not expired at `now`."""
        return self.expires is None or now < self.expires

    def rule(self) -> Rule:
        """Return it as a rule of its live tier; raises `PolicyError` for a target that cannot be read."""
        reason = "".join(one if one.isprintable() and one != '"' else " " for one in self.reason)[:300]
        line = f"{'+' if self.verdict == 'allow' else '-'} {self.target}"
        if len(self.target.split()) != 1 or self.target.startswith("#"):
            raise PolicyError(f"{self.target[:80]!r} is no target", hint="write host:port or an address")
        if reason.strip():
            line += f' %reason="{reason}"'
        if self.expires is not None:
            line += f" %expires={self.expires.astimezone(UTC).isoformat(timespec='milliseconds')}"
        rule = parse_policy_line(line, tier="live_allow" if self.verdict == "allow" else "live_deny", source="verdict")
        if rule is None:
            raise PolicyError("an empty verdict", hint="write host:port or an address")
        return rule

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        expires = None if self.expires is None else self.expires.astimezone(UTC).isoformat()
        return {
            "target": self.target,
            "verdict": self.verdict,
            "scope": self.scope,
            "expires": expires,
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, raw: object) -> LiveVerdict:
        """Read what `as_json` gave; raises `PolicyError` for anything else."""
        if not isinstance(raw, dict) or set(raw) != {"target", "verdict", "scope", "expires", "reason"}:
            raise PolicyError("not a verdict: keys are missing or unknown")
        texts = (raw["target"], raw["reason"])
        if raw["verdict"] not in ("allow", "deny") or raw["scope"] not in get_args(Scope):
            raise PolicyError("not a verdict: unknown verdict or scope")
        if not all(isinstance(text, str) and len(text) <= 1024 for text in texts):
            raise PolicyError("not a verdict: target and reason are texts of up to 1024 characters")
        verdict = cls(raw["target"], raw["verdict"], raw["scope"], _time(raw["expires"]), raw["reason"])
        verdict.rule()
        return verdict


def _time(raw: object) -> datetime | None:
    if raw is None:
        return None
    try:
        time = datetime.fromisoformat(raw) if isinstance(raw, str) else None
        if time is None or time.tzinfo is None:
            raise ValueError(raw)
        return time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise PolicyError("not a verdict: expires is no RFC 3339 time") from None


@dataclass(frozen=True, slots=True)
class LiveState:
    """Posture and verdicts of one container."""

    posture: Posture = "up"
    verdicts: tuple[LiveVerdict, ...] = ()


def load_live(path: Path) -> LiveState:
    """Read the file at `path`; a missing one means up and no verdicts, an empty one quarantine.

    Raises `ShieldError` for a damaged or foreign file: what a denial in it has closed must not open.
    """
    posture, verdicts = read_posture(path)
    try:
        return LiveState(posture, tuple(map(LiveVerdict.from_json, verdicts)))
    except PolicyError as error:
        raise damaged_posture(path, str(error)) from error


def save_live(path: Path, state: LiveState) -> None:
    """Write `state` to `path`, mode 0600, atomically; raises `ShieldError`.

    It outlives this process from here on, and a power cut after `settle_live`. Without room for a new file the
    old one is written over. Where that fails too, a quarantine empties the file, which says the same without verdicts.
    """
    verdicts = [one.as_json() for one in state.verdicts]
    text = json.dumps({"schema": SCHEMA, "posture": state.posture, "verdicts": verdicts}, indent=1) + "\n"
    try:
        write_sensitive_file(path, text + " " * ROOM, durable=False)
    except (OSError, TerokError) as error:
        try:
            _write_over(path, text.encode())
        except OSError:
            if state.posture == "quarantine":
                with suppress(OSError):
                    os.truncate(path, 0)
            raise _lost(path, error) from error


def _write_over(path: Path, data: bytes) -> None:
    """Write `data` into the blocks that the file has; a reader of a half-written one finds it damaged, thus closed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        if len(data) > size or os.pwrite(descriptor, data.ljust(size), 0) != size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)


def settle_live(path: Path) -> None:
    """Bring the file at `path` to disk, which takes tens of milliseconds; raises `ShieldError`."""
    try:
        for one, kind in ((path, 0), (path.parent, os.O_DIRECTORY)):
            descriptor = os.open(one, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | kind)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    except OSError as error:
        raise _lost(path, error) from error


def _lost(path: Path, error: Exception) -> ShieldError:
    return ShieldError(f"{path}: cannot keep the verdict: {error}", hint="free some disk space")
