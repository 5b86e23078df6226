"""The policy in force while a container runs: verdicts as a durable tier over its launch policy, and its posture.

`LivePolicy` is the gateway's only holder of both. Resolver and egress proxy ask it for the policy in force; whatever a
change takes away is closed in the rules, and the flows that used it end.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from terok_sandbox.errors import ShieldError
from terok_sandbox.netns.nft import NftChannel
from terok_sandbox.shield.errors import NotKept, PolicyError
from terok_sandbox.shield.live_store import (
    OPENINGS_FILE,
    LiveState,
    LiveVerdict,
    Openings,
    load_live,
    save_live,
    sync_live,
)
from terok_sandbox.shield.policy import Grant, Policy, Service
from terok_sandbox.shield.policy.addresses import Address, is_private
from terok_sandbox.shield.ruleset.commands import (
    Opening,
    cut_command,
    forget_command,
    open_command,
    posture_command,
    verdict_command,
)
from terok_sandbox.values.posture import POSTURES, Posture

_log = logging.getLogger(__name__)

MAX_VERDICTS: Final = 400
CLOCK_STEP: Final = 2.0
"""Seconds by which the wall clock is set back before it counts as that, and not as being adjusted."""
LOOK_SECONDS: Final = 30.0  # how often at least the clock is looked at, and what could not be written is written again
_BATCH: Final = 100


class LivePolicy:
    """The policy in force: launch tiers, live verdicts and posture of one container.

    What a change opens is written before it is in the rules; what only closes is in the rules first, and stays there
    when it cannot be written (`NotKept`): it is written as soon as there is room. Either is on disk before it is
    confirmed; for an allow nobody waits that long. `channel` may be `None` where there are no rules to change. Not
    thread-safe: one event loop.
    """

    def __init__(self, launch: Policy, path: Path, *, channel: NftChannel | None) -> None:
        self._path = path
        self._channel = channel
        self._state = load_live(path)
        self.policy = launch  # the one in force
        self._openings = Openings(path.with_name(OPENINGS_FILE))
        self.lasting = launch  # for established connections: expired allows still count
        if any(rule.allow and rule.expires for rule in launch.rules):
            rules = (replace(rule, expires=None) if rule.allow else rule for rule in launch.rules)
            self.lasting = Policy(tuple(rules))
        self._lapsed: dict[str, LiveVerdict] = {}
        self._turn = asyncio.Lock()
        self._watchers: list[Callable[[], None]] = []
        self._settling: set[asyncio.Task[None]] = set()
        self._unkept: ShieldError | None = None
        self._rebuild()

    @property
    def posture(self) -> Posture:
        """The state of the wall: `up`, `down`, `disengaged` or `quarantine`."""
        return self._state.posture

    @property
    def verdicts(self) -> tuple[LiveVerdict, ...]:
        """The verdicts that have not expired, oldest first."""
        now = datetime.now(UTC)
        return tuple(verdict for verdict in self._state.verdicts if verdict.live(now))

    @property
    def kept(self) -> bool:
        """Whether a restart would continue with what is in force now."""
        return self._unkept is None

    def watch(self, changed: Callable[[], None]) -> None:
        """Have `changed` called when policy or posture change, and once more when the rules have followed."""
        self._watchers.append(changed)

    async def open_addresses(self, name: str, openings: Sequence[Opening]) -> None:
        """Open addresses in the rules for `name`, remembered first, so that a later denial can close them."""
        self._openings.add(name, openings)
        await self._run(open_command(openings))

    def check(self, verdict: LiveVerdict) -> None:
        """Raise `PolicyError` for a target that cannot be read, or an allow that a stronger rule makes void."""
        verdict.rule()
        if verdict.verdict == "allow":
            self._check_allow(verdict)

    async def apply(self, verdict: LiveVerdict) -> None:
        """Put `verdict` in force, in place of one about the same target; raises as `check` does, and `NetnsError`."""
        self.check(verdict)
        async with self._turn:
            others = [other for other in self.verdicts if other.target != verdict.target]
            if len(others) >= MAX_VERDICTS:
                raise PolicyError(
                    f"there are {MAX_VERDICTS} live verdicts already",
                    hint="write lasting ones into the project's policy",
                )
            settled = await self._change(LiveState(self.posture, (*others, verdict)))
        if verdict.verdict == "deny":
            await settled

    async def revoke(self, target: str) -> bool:
        """Take back the verdict about `target` and end the flows it has allowed; return whether there was one."""
        async with self._turn:
            kept = tuple(verdict for verdict in self.verdicts if verdict.target != target)
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
        """Make the rules agree with what is on disk, and the file while there is room: what a gateway does first."""
        if not self._path.exists():
            self._save()
        async with self._turn:
            live = verdict_command(self.policy.rules, datetime.now(UTC))
            await self._run(f"{live}; {posture_command(self.posture)}")

    async def expire_verdicts(self) -> None:
        """Drop verdicts as they expire, sooner if the clock is set back, until cancelled; their connections go on."""
        # The monotonic clock does not jump: a change of the difference is a step of the wall clock.
        ahead = time.time() - time.monotonic()
        while True:
            times = [verdict.expires for verdict in self._state.verdicts if verdict.expires is not None]
            wait = min(((time - datetime.now(UTC)).total_seconds() for time in times), default=LOOK_SECONDS)
            await asyncio.sleep(max(0.05, min(LOOK_SECONDS, wait)))
            if self._unkept is not None:
                self._save()
            step, ahead = time.time() - time.monotonic() - ahead, time.time() - time.monotonic()
            if step < -CLOCK_STEP:
                async with self._turn:
                    back = timedelta(seconds=-step)
                    moved = tuple(
                        replace(verdict, expires=verdict.expires and verdict.expires - back)
                        for verdict in self.verdicts
                    )
                    await self._change(LiveState(self.posture, moved), cut=False)
            if len(self.verdicts) < len(self._state.verdicts):
                async with self._turn:
                    await self._change(LiveState(self.posture, self.verdicts), cut=False)

    async def _change(self, state: LiveState, *, cut: bool = True, forget: bool = False) -> asyncio.Task[None]:
        """Bring `state` into force and return the task that brings it to disk; without `cut` only time has passed."""
        old, now = self._state, datetime.now(UTC)
        opens = cut and _opens(old, state)
        # An opening that a restart would not know of could never be closed again, so it is written first.
        if opens:
            save_live(self._path, state)
            self._unkept = None
        # An expired allow ends no connection: its rule goes on in the policy for established ones.
        over = [verdict for verdict in old.verdicts if verdict.verdict == "allow" and not verdict.live(now)]
        self._lapsed = (
            {} if forget else self._lapsed | {verdict.target: replace(verdict, expires=None) for verdict in over}
        )
        while len(self._lapsed) > MAX_VERDICTS:
            del self._lapsed[next(iter(self._lapsed))]
        self._state = state
        self._rebuild()
        commands = [verdict_command(self.policy.rules, now)]
        if state.posture != old.posture:
            commands.append(posture_command(state.posture))
        if forget:
            commands.append(forget_command())
        # The resolver must refuse before the rules close, or a lookup on its way would open the address again.
        self._notify_watchers()
        try:
            await self._run("; ".join(commands))
            closed = self._no_longer_granted() if cut else []
            # One transaction with thousands of elements could exceed what an unprivileged namespace may send at once.
            for at in range(0, len(closed), _BATCH):
                await self._run(cut_command(closed[at : at + _BATCH]))
        finally:
            if not opens:
                self._save()
        self._notify_watchers()
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
        try:
            if unkept is not None:
                raise unkept
            await asyncio.to_thread(sync_live, self._path)
        except ShieldError as error:
            why = f"it is in force, but a restart may undo it: {error.message}"
            raise NotKept(why, hint=error.hint) from error

    def _settled(self, task: asyncio.Task[None]) -> None:
        self._settling.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("%s", error)

    def _notify_watchers(self) -> None:
        for watcher in self._watchers:
            watcher()

    def _rebuild(self) -> None:
        now = datetime.now(UTC)
        live = [verdict for verdict in self._state.verdicts if verdict.live(now)]
        self.policy = self.policy.with_live([verdict.rule() for verdict in live])
        lasting = [replace(verdict, expires=None) if verdict.verdict == "allow" else verdict for verdict in live]
        self.lasting = self.lasting.with_live([verdict.rule() for verdict in (*lasting, *self._lapsed.values())])

    def _no_longer_granted(self) -> list[tuple[Address, Service]]:
        gone = []
        grants: dict[str, tuple[Grant, ...]] = {}
        for opening in self._openings:
            name, address, service = opening
            if name not in grants:
                grants[name] = self.lasting.grants(name)
            own = (grant for grant in grants[name] if grant.service == service)
            if not any(self.lasting.judge_answer(grant, address).allowed for grant in own):
                gone.append((address, service))
                self._openings.remove(opening)
        return gone

    def _check_allow(self, verdict: LiveVerdict) -> None:
        rule = verdict.rule()
        remaining = [other.rule() for other in self.verdicts if other.target != verdict.target]
        after = self.policy.with_live([*remaining, rule])
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
    if POSTURES.index(new.posture) > POSTURES.index(old.posture):
        return True
    denied = {verdict.target for verdict in new.verdicts if verdict.verdict == "deny"}
    if any(verdict.verdict == "deny" and verdict.target not in denied for verdict in old.verdicts):
        return True
    return any(verdict.verdict == "allow" and verdict not in old.verdicts for verdict in new.verdicts)
