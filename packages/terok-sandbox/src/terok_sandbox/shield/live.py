"""Verdicts given while a container runs: a durable tier over the policy it was launched with, and its posture.

`LivePolicy` is the gateway's one holder of both. Resolver and egress proxy ask it for the policy in force;
what a change takes away is closed in the rules, and the flows that used it end.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from terok_sandbox.errors import ShieldError
from terok_sandbox.shield.errors import NotKept, PolicyError
from terok_sandbox.shield.live_store import LiveState, LiveVerdict, Scope, load_live, save_live, settle_live
from terok_sandbox.shield.openings import FILE as OPENINGS_FILE
from terok_sandbox.shield.openings import Openings
from terok_sandbox.shield.policy import Policy
from terok_sandbox.shield.policy.addresses import is_private
from terok_sandbox.shield.ruleset import POSTURES, cut_command, forget_command, live_command, posture_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from terok_sandbox.shield.asker import RuleChannel
    from terok_sandbox.shield.policy import Grant, Service
    from terok_sandbox.shield.policy.addresses import Address
    from terok_sandbox.shield.ruleset import Learned, Posture

__all__ = ["LivePolicy", "LiveState", "LiveVerdict", "Scope", "load_live", "save_live"]

_log = logging.getLogger(__name__)

MAX_VERDICTS: Final = 400
CLOCK_STEP: Final = 2.0
"""Seconds by which the wall clock is set back before it counts as that, and not as being adjusted."""
LOOK_SECONDS: Final = 30.0
"""How often at least the clock is looked at, and what could not be written is written again."""
_BATCH: Final = 100


class LivePolicy:
    """The policy in force: launch tiers, live verdicts and posture of one container.

    What a change opens is written before it is in the rules; what only closes is in the rules first, and stays there
    when it cannot be written (`NotKept`): it is written as soon as there is room. Either is on disk before it is
    confirmed; for an allow nobody waits that long. `channel` may be `None` where there are no rules to change. Not
    thread-safe: one event loop.
    """

    def __init__(self, launch: Policy, path: Path, *, channel: RuleChannel | None) -> None:
        self._path = path
        self._channel = channel
        self._state = load_live(path)
        self._policy = launch
        self._openings = Openings(path.with_name(OPENINGS_FILE))
        self._lasting = launch
        if any(rule.allow and rule.expires for rule in launch.rules):
            self._lasting = Policy(tuple(replace(one, expires=None) if one.allow else one for one in launch.rules))
        self._lapsed: dict[str, LiveVerdict] = {}
        self._turn = asyncio.Lock()
        self._watchers: list[Callable[[], None]] = []
        self._settling: set[asyncio.Task[None]] = set()
        self._unkept: ShieldError | None = None
        self._rebuild()

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._policy

    @property
    def lasting(self) -> Policy:
        """The policy for connections that exist: what allowed them may have expired since."""
        return self._lasting

    @property
    def posture(self) -> Posture:
        """The state of the wall: `up`, `down`, `disengaged` or `quarantine`."""
        return self._state.posture

    @property
    def verdicts(self) -> tuple[LiveVerdict, ...]:
        """The verdicts that have not expired, oldest first."""
        now = datetime.now(UTC)
        return tuple(one for one in self._state.verdicts if one.live(now))

    @property
    def kept(self) -> bool:
        """Whether a restart would continue with what is in force now."""
        return self._unkept is None

    def watch(self, changed: Callable[[], None]) -> None:
        """Have `changed` called when policy or posture change, and once more when the rules have followed."""
        self._watchers.append(changed)

    def opened(self, name: str, learned: Iterable[Learned]) -> None:
        """Remember what opens in the rules for `name`, so that a later denial can close it; raises `ShieldError`."""
        self._openings.add(name, learned)

    def check(self, verdict: LiveVerdict) -> None:
        """Raise `PolicyError` for a target that cannot be read, or an allow that a stronger rule makes void."""
        verdict.rule()
        if verdict.verdict == "allow":
            self._check_allow(verdict)

    async def apply(self, verdict: LiveVerdict) -> None:
        """Put `verdict` in force, in place of an earlier one about the same target.

        A denial has closed the target and ended its flows when this returns. Raises as `check` does, and
        `NetnsError` when the rules are gone.
        """
        self.check(verdict)
        async with self._turn:
            others = [one for one in self.verdicts if one.target != verdict.target]
            if len(others) >= MAX_VERDICTS:
                raise PolicyError(
                    f"there are {MAX_VERDICTS} live verdicts already",
                    hint="write lasting ones into the project's policy",
                )
            settled = await self._change(LiveState(self.posture, (*others, verdict)))
        if verdict.verdict == "deny":
            await settled

    async def revoke(self, target: str) -> bool:
        """Take back the verdict about `target` and end the flows it has allowed; whether there was one."""
        async with self._turn:
            kept = tuple(one for one in self.verdicts if one.target != target)
            if len(kept) == len(self.verdicts):
                return False
            settled = await self._change(LiveState(self.posture, kept))
        await settled
        return True

    async def set_posture(self, posture: Posture) -> None:
        """Change the posture in one transaction and keep it over restarts."""
        async with self._turn:
            settled = await self._change(LiveState(posture, self.verdicts))
        await settled

    async def reset(self) -> None:
        """Go back to the launch policy with the wall up: verdicts and everything that names have opened are dropped."""
        async with self._turn:
            settled = await self._change(LiveState("up", ()), forget=True)
        await settled

    async def restore(self) -> None:
        """Make the rules agree with what is on disk: what a gateway does first.

        The file is made here, while there is room for it.
        """
        if not self._path.exists():
            self._save()
        async with self._turn:
            await self._run(f"{live_command(self._policy.rules, datetime.now(UTC))}; {posture_command(self.posture)}")

    async def expire(self) -> None:
        """Drop verdicts as they expire, for ever. Their connections go on; new ones are judged anew.

        A clock that is set back gives no verdict a longer life: what ends later than it did is made to end earlier.
        """
        ahead = time.time() - time.monotonic()
        while True:
            times = [one.expires for one in self._state.verdicts if one.expires is not None]
            wait = min(((time - datetime.now(UTC)).total_seconds() for time in times), default=LOOK_SECONDS)
            await asyncio.sleep(max(0.05, min(LOOK_SECONDS, wait)))
            if self._unkept is not None:
                self._save()
            step, ahead = time.time() - time.monotonic() - ahead, time.time() - time.monotonic()
            if step < -CLOCK_STEP:
                async with self._turn:
                    moved = tuple(_earlier(one, timedelta(seconds=-step)) for one in self.verdicts)
                    await self._change(LiveState(self.posture, moved), cut=False)
            if len(self.verdicts) < len(self._state.verdicts):
                async with self._turn:
                    await self._change(LiveState(self.posture, self.verdicts), cut=False)

    async def _change(self, state: LiveState, *, cut: bool = True, forget: bool = False) -> asyncio.Task[None]:
        """Bring `state` into force and return the task that brings it to disk; without `cut` only time has passed."""
        old, now = self._state, datetime.now(UTC)
        opens = cut and _opens(old, state)
        if opens:
            save_live(self._path, state)
            self._unkept = None
        over = [one for one in old.verdicts if one.verdict == "allow" and not one.live(now)]
        self._lapsed = {} if forget else self._lapsed | {one.target: replace(one, expires=None) for one in over}
        while len(self._lapsed) > MAX_VERDICTS:
            del self._lapsed[next(iter(self._lapsed))]
        self._state = state
        self._rebuild()
        commands = [live_command(self._policy.rules, now)]
        if state.posture != old.posture:
            commands.append(posture_command(state.posture))
        if forget:
            commands.append(forget_command())
        self._tell()
        try:
            await self._run("; ".join(commands))
            closed = self._no_longer_granted() if cut else []
            for at in range(0, len(closed), _BATCH):
                await self._run(cut_command(closed[at : at + _BATCH]))
        finally:
            if not opens:
                self._save()
        self._tell()
        settled = asyncio.create_task(self._settle(self._unkept))
        self._settling.add(settled)
        settled.add_done_callback(self._settled)
        return settled

    def _save(self) -> None:
        try:
            save_live(self._path, self._state)
            self._unkept = None
        except ShieldError as error:
            self._unkept = error

    async def _settle(self, unkept: ShieldError | None) -> None:
        """Bring the file to disk; raises `NotKept` when it could not even be written."""
        try:
            if unkept is not None:
                raise unkept
            await asyncio.to_thread(settle_live, self._path)
        except ShieldError as error:
            why = f"it is in force, but a restart may undo it: {error.message}"
            raise NotKept(why, hint=error.hint) from error

    def _settled(self, task: asyncio.Task[None]) -> None:
        self._settling.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s", error)

    def _tell(self) -> None:
        for watcher in self._watchers:
            watcher()

    def _rebuild(self) -> None:
        now = datetime.now(UTC)
        live = [one for one in self._state.verdicts if one.live(now)]
        self._policy = self._policy.with_live([one.rule() for one in live])
        lasting = [replace(one, expires=None) if one.verdict == "allow" else one for one in live]
        self._lasting = self._lasting.with_live([one.rule() for one in (*lasting, *self._lapsed.values())])

    def _no_longer_granted(self) -> list[tuple[Address, Service]]:
        """Return and forget what was opened for names whose connections the policy does not allow any more."""
        gone = []
        grants: dict[str, tuple[Grant, ...]] = {}
        for opening in self._openings:
            name, address, service = opening
            if name not in grants:
                grants[name] = self._lasting.grants(name)
            own = (grant for grant in grants[name] if grant.service == service)
            if not any(self._lasting.judge_answer(grant, address).allowed for grant in own):
                gone.append((address, service))
                self._openings.remove(opening)
        return gone

    def _check_allow(self, verdict: LiveVerdict) -> None:
        """Refuse an allow that would have no effect."""
        rule = verdict.rule()
        remaining = [one.rule() for one in self.verdicts if one.target != verdict.target]
        after = self._policy.with_live([*remaining, rule])
        service = rule.services[0]
        if rule.name is not None:
            name = f"x.{rule.name}" if rule.wildcard else rule.name
            decision = after.decide_name(name, service.port or 1, service.protocol)
        else:
            assert rule.network is not None
            address = rule.network.network_address
            if is_private(address):
                raise PolicyError(
                    f"{verdict.target}: a private address is opened by an override only",
                    hint='launch with an override: + target %reason="…" %expires=…',
                )
            decision = after.decide_address(address, service.port or 1, service.protocol)
        if not decision.allowed:
            raise PolicyError(
                f"{verdict.target}: stays closed: {decision.reason}", hint="see `terok-sandbox shield why`"
            )

    async def _run(self, command: str) -> None:
        if self._channel is not None and command:
            await self._channel.run(command)


def _opens(old: LiveState, new: LiveState) -> bool:
    """Whether anything that `old` closes may be open in `new`."""
    if POSTURES.index(new.posture) > POSTURES.index(old.posture):
        return True
    denied = {one.target for one in new.verdicts if one.verdict == "deny"}
    if any(one.verdict == "deny" and one.target not in denied for one in old.verdicts):
        return True
    return any(one.verdict == "allow" and one not in old.verdicts for one in new.verdicts)


def _earlier(verdict: LiveVerdict, by: timedelta) -> LiveVerdict:
    return verdict if verdict.expires is None else replace(verdict, expires=verdict.expires - by)
