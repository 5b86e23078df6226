"""The wall of one container as a library: look at it, raise and lower it, open and close targets."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import ShieldError
from terok_sandbox.shield.control_client import ShieldNotRunning, ask
from terok_sandbox.shield.errors import PolicyError
from terok_sandbox.shield.live_store import LIVE_FILE, LiveState, load_live, save_live, settle_live
from terok_sandbox.shield.policy import Policy
from terok_sandbox.sidecar import Enforcement, Sidecar

if TYPE_CHECKING:
    from pathlib import Path

    from terok_sandbox.shield.ruleset import Posture

_MAX_MINUTES: Final = 60 * 24 * 366


@dataclass(frozen=True, slots=True)
class ShieldState:
    """Posture, enforcement, number of rules and live verdicts; without ``running``, what the next start restores."""

    container: str
    enforcement: Enforcement
    posture: Posture
    rules: int
    verdicts: tuple[dict[str, Any], ...]
    running: bool


class Shield:
    """The wall of a sandboxed container, which need not run. Raises ShieldError if there is no such container.

    What changes it is in force, and kept over restarts, when the call returns; ShieldError if it could not be done.
    """

    def __init__(self, name: str, config: SandboxConfig | None = None) -> None:
        path = (config or SandboxConfig.load()).sidecar_path(name)
        if not path.exists():
            raise ShieldError(f"there is no sandboxed container {name}", hint="see `terok-sandbox list`")
        self.name = name
        self._sidecar = Sidecar.load(path)

    @property
    def audit_path(self) -> Path:
        """The log of what was decided."""
        return self._sidecar.shield.audit_path

    @property
    def live(self) -> LiveState:
        """What was last written down of posture and live verdicts."""
        return load_live(self._sidecar.gateway_dir / LIVE_FILE)

    @property
    def policy(self) -> Policy:
        """The policy with the live verdicts that have not expired."""
        now = datetime.now(UTC)
        rules = [one.rule() for one in self.live.verdicts if one.live(now)]
        return Policy.from_tiers(self._sidecar.shield.tiers).with_live(rules)

    def state(self) -> ShieldState:
        """Return the state of the running shield, or of its next start."""
        try:
            answer = ask(self._sidecar.runtime_dir, "status")
        except ShieldNotRunning:
            live = self.live
            verdicts = tuple(one.as_json() for one in live.verdicts)
            rules = len(self.policy.rules)
            return ShieldState(self.name, self._sidecar.shield.enforcement, live.posture, rules, verdicts, False)
        return ShieldState(
            self.name, answer["enforcement"], answer["posture"], answer["rules"], tuple(answer["verdicts"]), True
        )

    def up(self) -> None:
        """Enforce the policy."""
        self._take("up")

    def down(self, *, disengage: bool = False) -> None:
        """Let through what no rule decides, or everything."""
        self._take("disengaged" if disengage else "down")

    def quarantine(self) -> None:
        """End every connection and let nothing out."""
        self._take("quarantine")

    def reset(self) -> None:
        """Drop live verdicts and raise the wall."""
        self._settle(LiveState(), "reset")

    def allow(self, target: str, *, minutes: float | None = None, reason: str = "") -> dict[str, Any]:
        """Open ``host[:port]`` in a running container, for a time or for good; return the verdict as recorded."""
        return self._verdict("allow", target, minutes, reason)

    def deny(self, target: str, *, minutes: float | None = None, reason: str = "") -> dict[str, Any]:
        """Close a target in a running container and end what it has open there; return the verdict as recorded."""
        return self._verdict("deny", target, minutes, reason)

    def revoke(self, target: str) -> None:
        """Take the verdict about a target back, in a running container."""
        ask(self._sidecar.runtime_dir, "revoke", target=target)

    def resolve(self, host: str) -> dict[str, Any]:
        """Ask a running container's resolver: ``verdict``, ``reason``, and ``addresses`` with a verdict each."""
        return ask(self._sidecar.runtime_dir, "resolve", name=host)

    def _take(self, posture: Posture) -> None:
        self._settle(replace(self.live, posture=posture), "posture", posture=posture)

    def _settle(self, state: LiveState, verb: str, **fields: Any) -> None:
        """Ask a running shield, else write *state* for the next start, and ask again: it may have started meanwhile."""
        try:
            ask(self._sidecar.runtime_dir, verb, **fields)
        except ShieldNotRunning:
            path = self._sidecar.gateway_dir / LIVE_FILE
            save_live(path, state)
            settle_live(path)
            with suppress(ShieldNotRunning):
                ask(self._sidecar.runtime_dir, verb, **fields)

    def _verdict(self, verb: str, target: str, minutes: float | None, reason: str) -> dict[str, Any]:
        fields: dict[str, Any] = {"target": target, "reason": reason}
        if minutes is not None:
            if not 0 < minutes <= _MAX_MINUTES:
                raise PolicyError(f"{minutes:g} minutes: more than 0 and at most a year is expected")
            fields["expires"] = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
            fields["scope"] = "minutes"
        verdict: dict[str, Any] = ask(self._sidecar.runtime_dir, verb, **fields)["verdict"]
        return verdict
