"""The wall of one container as a library: look at it, raise and lower it, open and close targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from terok_util.values import lean_dataclass

from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import NetnsError, ShieldError, SupervisorError
from terok_sandbox.shield.errors import NoAnswer, NotInForce, NotKept, PolicyError, ShieldNotRunning
from terok_sandbox.shield.live_store import LiveState, LiveVerdict, load_live, save_live, sync_live
from terok_sandbox.shield.policy import Policy
from terok_sandbox.shield.policy.names import folded, folded_target
from terok_sandbox.shield.wall import Wall
from terok_sandbox.sidecar import Sidecar
from terok_sandbox.values.launch import Enforcement
from terok_sandbox.values.posture import LIVE_FILE, Posture

if TYPE_CHECKING:
    from terok_sandbox.shield.explanation import Explanation
    from terok_sandbox.supervise.handover import FirstProcess

PATIENCE: Final = 4.0  # seconds a gateway has to answer; what closes is then brought into the rules without it
RESOLVE_TIMEOUT: Final = 30.0
_MAX_MINUTES: Final = 60 * 24 * 366


class _NotRunning(ShieldNotRunning):
    """Podman and the supervisor's record agree: the container does not run."""


@lean_dataclass(frozen=True, slots=True)
class ShieldState:
    """Posture, enforcement, number of rules and live verdicts; without `running`, what the next start restores.

    Without `attended` no gateway answers for a container that runs: `posture` is what its rules in the kernel have
    (`none`: it has no rules). Without `kept` a restart would not continue with it.
    """

    container: str
    enforcement: Enforcement
    posture: Posture | Literal["none"]
    rules: int
    verdicts: tuple[dict[str, Any], ...]
    running: bool
    attended: bool = True
    kept: bool = True


class _HostAddresses:
    """The addresses of this host, asked for when they are first needed: most names are judged without them."""

    def __iter__(self) -> Iterator[str]:
        from terok_sandbox.netns.host_addresses import host_addresses

        return iter(host_addresses())


class Shield:
    """The wall of a sandboxed container, which need not run. Raises ShieldError if there is no such container.

    A change is in force, and kept over restarts, when its call returns. NotKept says that it is in force only,
    NotInForce that the container runs without it. `warn` takes messages about other problems.
    """

    def __init__(
        self, name: str, config: SandboxConfig | None = None, *, warn: Callable[[str], None] | None = None
    ) -> None:
        self._config = config or SandboxConfig.load()
        path = self._config.sidecar_path(name)
        if not path.exists():
            raise ShieldError(f"there is no sandboxed container {name}", hint="see `terok-sandbox list`")
        self.name = name
        self._sidecar = Sidecar.load(path)
        self._warn = warn or (lambda _: None)

    @property
    def audit_path(self) -> Path:
        """The log of what was decided."""
        return self._sidecar.shield.audit_path

    @property
    def live(self) -> LiveState:
        """Posture and live verdicts as last written down."""
        return load_live(self._sidecar.gateway_dir / LIVE_FILE)

    @property
    def policy(self) -> Policy:
        """The policy with the live verdicts that have not expired."""
        now = datetime.now(UTC)
        rules = [verdict.rule() for verdict in self.live.verdicts if verdict.live(now)]
        return Policy.from_tiers(self._sidecar.shield.tiers).with_live(rules)

    @property
    def wall(self) -> Wall:
        """The wall that decides for the container: its policy, its posture and the addresses of this host."""
        return Wall(self.policy, self.live.posture, self._sidecar.shield.enforcement, _HostAddresses())

    def state(self) -> ShieldState:
        """Return the state of the running shield, of rules that nobody attends to, or of the next start."""
        try:
            answer = self._status()
        except (NoAnswer, SupervisorError):
            return self._unattended_state()
        told = (answer["enforcement"], answer["posture"], answer["rules"], tuple(answer["verdicts"]))
        return ShieldState(self.name, *told, running=True, kept=answer["kept"])

    def _status(self) -> dict[str, Any]:
        """Ask the gateway, also one that its supervisor is only starting."""
        try:
            return self._ask("status")
        except ShieldNotRunning:
            from terok_sandbox.sandbox.unattended import await_gateway
            from terok_sandbox.supervise import client

            client.status(self._config, self.name)
            return await_gateway(lambda: self._ask("status"))

    def _unattended_state(self) -> ShieldState:
        from terok_sandbox.sandbox.unattended import first_process, posture_in_force

        live = self.live
        verdicts = tuple(verdict.as_json() for verdict in live.verdicts)
        with first_process(self._config, self._sidecar) as target:
            running = target is not None
            posture = live.posture if target is None else posture_in_force(target)
        enforcement, rules = self._sidecar.shield.enforcement, len(self.policy.rules)
        return ShieldState(self.name, enforcement, posture, rules, verdicts, running, attended=not running)

    def up(self) -> None:
        """Enforce the policy."""
        self._settle("posture", closes="up", posture="up")

    def down(self, *, disengage: bool = False) -> None:
        """Let through what no rule decides, or everything."""
        self._settle("posture", posture="disengaged" if disengage else "down")

    def quarantine(self) -> None:
        """End every connection and let nothing out."""
        self._settle("posture", closes="quarantine", posture="quarantine")

    def reset(self) -> None:
        """Drop live verdicts and raise the wall."""
        self._settle("reset")

    def allow(self, target: str, *, minutes: float | None = None, reason: str = "") -> dict[str, Any]:
        """Open `host[:port]` in a running container, for a time or for good; return the verdict as recorded."""
        return self._verdict("allow", target, minutes, reason)

    def deny(self, target: str, *, minutes: float | None = None, reason: str = "") -> dict[str, Any]:
        """Close a target in a running container and end what it has open there; return the verdict as recorded."""
        return self._verdict("deny", target, minutes, reason)

    def revoke(self, target: str) -> None:
        """Take the verdict about a target back, in a running container."""
        self._changed("revoke", target=folded_target(target))

    def resolve(self, host: str) -> dict[str, Any]:
        """Ask a running container's resolver: `verdict`, `reason`, and `addresses` with a verdict each."""
        return self._ask("resolve", timeout=RESOLVE_TIMEOUT, name=folded(host))

    def why(self, target: str) -> Explanation:
        """Explain the decision about `host[:port]`, also of a container that does not run."""
        from terok_sandbox.audit import read_audit
        from terok_sandbox.shield.explanation import explain
        from terok_sandbox.shield.wall import Destination

        return explain(self.wall, Destination.parse(target), read_audit(self.audit_path))

    def _ask(self, verb: str, *, timeout: float = PATIENCE, **fields: Any) -> dict[str, Any]:
        from terok_sandbox.shield.control_client import ask
        from terok_sandbox.shield.protocol import SOCKET

        answer = ask(self._sidecar.runtime_dir / SOCKET, verb, timeout=timeout, **fields)
        if unrecorded := answer.pop("unrecorded", ""):
            self._warn(f"{self.name}: it is in force, but not in the audit log: {unrecorded}")
        return answer

    def _settle(self, verb: str, *, closes: Posture | None = None, **fields: Any) -> None:
        """Change a container that runs, else the state of its next start."""
        try:
            self._changed(verb, closes=closes, **fields)
        except _NotRunning:
            path = self._sidecar.gateway_dir / LIVE_FILE
            posture = fields.get("posture")
            save_live(path, LiveState() if posture is None else replace(self.live, posture=posture))
            sync_live(path)
            # The file was written while nobody listened: a gateway that started meanwhile may have read the old one.
            with suppress(ShieldNotRunning):  # it may have started meanwhile
                self._ask(verb, **fields)

    def _changed(self, verb: str, *, closes: Posture | LiveVerdict | None = None, **fields: Any) -> dict[str, Any]:
        """Ask the gateway, or close what `closes` says and have one started; `ShieldNotRunning`, `NotInForce`."""
        try:
            return self._ask(verb, **fields)
        except NoAnswer as error:
            missed, hangs = error, not isinstance(error, ShieldNotRunning)
        from terok_sandbox.sandbox import unattended

        with unattended.first_process(self._config, self._sidecar) as target:
            if target is None:
                raise _NotRunning(missed.message, hint=missed.hint) from missed
            unkept, closed = None, False
            try:
                if closes is not None:
                    unattended.close(target, self._sidecar, closes)
                    closed = True
            except NotKept as error:
                unkept, closed = error, True
            except (NetnsError, ShieldError) as error:
                missed = NoAnswer(error.message, hint=error.hint)
            answer = self._asked_again(target, closed, verb, fields, missed, hangs=hangs)
        if unkept is not None:
            raise unkept
        return answer

    def _asked_again(
        self, target: FirstProcess, closed: bool, verb: str, fields: dict[str, Any], missed: NoAnswer, *, hangs: bool
    ) -> dict[str, Any]:
        from terok_sandbox.sandbox.unattended import attend

        hint = f"run `terok-sandbox supervisor redo {self.name}`"
        try:
            return attend(self._config, self._sidecar, target, lambda: self._ask(verb, **fields), hangs=hangs)
        except (NoAnswer, SupervisorError) as error:
            if not closed:
                why = f"{self.name} runs, and what was asked for is not in force: {missed.message}; {error.message}"
                raise NotInForce(why, hint=f"{hint}, or end it with `terok-sandbox stop {self.name}`") from error
            self._warn(f"{self.name}: the rules are in force, but nobody attends to them: {error.message}; {hint}")
            return {}

    def _verdict(self, verb: str, target: str, minutes: float | None, reason: str) -> dict[str, Any]:
        fields: dict[str, Any] = {"target": folded_target(target), "reason": reason}
        if minutes is not None:
            if not 0 < minutes <= _MAX_MINUTES:
                raise PolicyError(f"{minutes:g} minutes: more than 0 and at most a year is expected")
            fields["expires"] = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
            fields["scope"] = "minutes"
        verdict = LiveVerdict.from_json({"scope": "task", "expires": None, "verdict": verb} | fields)
        answer = self._changed(verb, closes=verdict if verb == "deny" else None, **fields)
        return dict(answer.get("verdict") or verdict.as_json())
