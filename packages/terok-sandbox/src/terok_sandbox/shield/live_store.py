"""The state that outlives a gateway: live verdicts and posture, and the addresses that names have opened."""

from __future__ import annotations

import errno
import json
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from terok_util import TerokError, sync_path, write_sensitive_file
from terok_util.values import lean_dataclass

from terok_sandbox.errors import ShieldError
from terok_sandbox.shield.errors import PolicyError
from terok_sandbox.shield.policy.addresses import Address
from terok_sandbox.shield.policy.grammar import PolicyRule, Service, Tier, parse_policy_line
from terok_sandbox.values.posture import SCHEMA, Posture, damaged_posture, read_posture

if TYPE_CHECKING:
    from terok_sandbox.shield.ruleset.commands import Opening

OPENINGS_FILE: Final = "shield-opened.jsonl"
MAX_OPENINGS: Final = 16_384
OPENING_SECONDS: Final = 86_400.0
"""With `MAX_OPENINGS` younger than this no further address opens: a forgotten one could not be closed again."""
_RENEWED: Final = 3600.0

ROOM: Final = 8192  # bytes of blank space behind the state: on a full disk the next state is written over this one
NamedAddress = tuple[str, "Address", Service]
Duration = Literal["once", "minutes", "task", "project"]


@lean_dataclass(frozen=True, slots=True)
class LiveVerdict:
    """A person's verdict on a policy target (`host.example:443/tcp`); `expires` is an aware time or `None`."""

    target: str
    verdict: Literal["allow", "deny"]
    duration: Duration = "task"
    expires: datetime | None = None
    reason: str = ""

    def live(self, now: datetime) -> bool:
        """Whether it has not expired at `now`."""
        return self.expires is None or now < self.expires

    @property
    def line(self) -> str:
        """The verdict as a policy line."""
        reason = "".join(char if char.isprintable() and char != '"' else " " for char in self.reason)[:300].strip()
        line = f"{'+' if self.verdict == 'allow' else '-'} {self.target}" + (f' %reason="{reason}"' if reason else "")
        if self.expires is not None:
            line += f" %expires={self.expires.astimezone(UTC).isoformat(timespec='milliseconds')}"
        return line

    def rule(self) -> PolicyRule:
        """Return it as a rule of its live tier; raises `PolicyError` for a target that cannot be read."""
        if len(self.target.split()) != 1 or self.target.startswith("#"):
            raise PolicyError(f"not a target: {self.target[:80]!r}", hint="write host:port or an address")
        tier: Tier = "live_allow" if self.verdict == "allow" else "live_deny"
        rule = parse_policy_line(self.line, tier=tier, source="verdict")
        if rule is None:
            raise PolicyError("an empty verdict", hint="write host:port or an address")
        return rule

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        expires = None if self.expires is None else self.expires.astimezone(UTC).isoformat()
        row = {"target": self.target, "verdict": self.verdict, "scope": self.duration}
        return row | {"expires": expires, "reason": self.reason}

    @classmethod
    def from_json(cls, raw: object) -> LiveVerdict:
        """Read the values of `as_json`; raises `PolicyError` for anything else."""
        if not isinstance(raw, dict) or set(raw) != {"target", "verdict", "scope", "expires", "reason"}:
            raise PolicyError("not a verdict: keys are missing or unknown")
        texts = (raw["target"], raw["reason"])
        if raw["verdict"] not in ("allow", "deny") or raw["scope"] not in get_args(Duration):
            raise PolicyError("not a verdict: unknown verdict or scope")
        if not all(isinstance(text, str) and len(text) <= 1024 for text in texts):
            raise PolicyError("not a verdict: target and reason are texts of up to 1024 characters")
        verdict = cls(raw["target"], raw["verdict"], raw["scope"], _read_time(raw["expires"]), raw["reason"])
        verdict.rule()
        return verdict


def _read_time(raw: object) -> datetime | None:
    if raw is None:
        return None
    try:
        time = datetime.fromisoformat(raw) if isinstance(raw, str) else None
        if time is None or time.tzinfo is None:
            raise ValueError(raw)
        return time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise PolicyError("not a verdict: expires is not an RFC 3339 time") from None


@lean_dataclass(frozen=True, slots=True)
class LiveState:
    """Posture and verdicts of one container."""

    posture: Posture = "up"
    verdicts: tuple[LiveVerdict, ...] = ()


def load_live(path: Path) -> LiveState:
    """Read the file at `path`; a missing one means up and no verdicts, an empty one quarantine.

    Raises `ShieldError` for a damaged or foreign file: a denial in it may have closed something, which must not open.
    """
    posture, verdicts = read_posture(path)
    try:
        return LiveState(posture, tuple(map(LiveVerdict.from_json, verdicts)))
    except PolicyError as error:
        raise damaged_posture(path, str(error)) from error


def save_live(path: Path, state: LiveState) -> None:
    """Write `state` to `path`, mode 0600, atomically; raises `ShieldError`.

    It outlives this process from here on, and a power cut after `sync_live`. Without room for a new file the
    old one is written over. Where that fails too, a quarantine empties the file, which says the same without verdicts.
    """
    verdicts = [verdict.as_json() for verdict in state.verdicts]
    text = json.dumps({"schema": SCHEMA, "posture": state.posture, "verdicts": verdicts}, indent=1) + "\n"
    try:
        write_sensitive_file(path, text + " " * ROOM, durable=False)
    except (OSError, TerokError) as error:
        try:
            _write_over(path, text.encode())
        except OSError:
            # Emptying needs no room, and an empty file is read as quarantine.
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


def sync_live(path: Path) -> None:
    """Bring the file at `path` to disk, which takes tens of milliseconds; raises `ShieldError`."""
    try:
        sync_path(path)
        sync_path(path.parent)
    except OSError as error:
        raise _lost(path, error) from error


def _lost(path: Path, error: Exception) -> ShieldError:
    return ShieldError(f"{path}: cannot keep the verdict: {error}", hint="free some disk space")


class Openings:
    """The addresses that names have opened, kept longer than their flows, so that a later denial can end these."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._seen: OrderedDict[NamedAddress, float] = OrderedDict()
        self._rows = 0
        with suppress(FileNotFoundError):
            self._load(path.read_text(encoding="ascii", errors="replace").splitlines())

    def __iter__(self) -> Iterator[NamedAddress]:
        return iter(tuple(self._seen))

    def add(self, name: str, openings: Iterable[Opening]) -> None:
        """Remember the addresses that open for `name`; raises `ShieldError` when they must stay closed."""
        now = self._clock()
        named = dict.fromkeys((name, opening.address, opening.service) for opening in openings)
        fresh = [key for key in named if not 0 <= now - self._seen.get(key, float("-inf")) < _RENEWED]
        more = sum(key not in self._seen for key in fresh)
        while self._seen and len(self._seen) + more > MAX_OPENINGS:
            if now - next(iter(self._seen.values())) < OPENING_SECONDS:
                raise ShieldError(f"names have opened {MAX_OPENINGS} addresses within a day already")
            self._seen.popitem(last=False)
        for key in fresh:
            self._seen[key] = now
            self._seen.move_to_end(key)
        try:
            self._store(fresh)
        except (OSError, TerokError) as error:
            raise ShieldError(f"{self._path}: {error}", hint="free some disk space") from error

    def remove(self, key: NamedAddress) -> None:
        """Forget a closed address; it stays in the file, as closing it once more does no harm."""
        self._seen.pop(key, None)

    def _store(self, fresh: list[NamedAddress]) -> None:
        self._rows += len(fresh)
        if self._rows > 2 * MAX_OPENINGS or self._rows == len(fresh) > 0:
            write_sensitive_file(self._path, "".join(map(self._row, self._seen)), durable=False)
            self._rows = len(self._seen)
        elif fresh:
            with self._path.open("a", encoding="ascii") as file:
                file.write("".join(map(self._row, fresh)))

    def _row(self, key: NamedAddress) -> str:
        name, address, service = key
        return json.dumps([int(self._seen[key]), name, str(address), service.protocol, service.port or 0]) + "\n"

    def _load(self, lines: list[str]) -> None:
        for line in lines:
            with suppress(ValueError, TypeError):  # torn by a crash
                seen, name, address, protocol, port, *_ = json.loads(line)
                key = (str(name), ip_address(address), Service(protocol, int(port) or None))
                self._seen[key] = float(seen)
                self._seen.move_to_end(key)
        self._rows = len(lines)
