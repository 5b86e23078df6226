"""Adapters that run: started when a session needs one, shared where that is safe, ended when nobody uses them."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Final

from terok_acp.conductor.abilities import Abilities, initialize_backend, speaks_our_version
from terok_acp.conductor.ports import Spec
from terok_acp.conductor.state import Core, Failed, Running
from terok_acp.errors import AgentBindError
from terok_acp.protocol.frames import INTERNAL_ERROR, Frame
from terok_acp.router.outputs import Output
from terok_acp.router.sessions import ask, lose_backend
from terok_acp.router.state import Peer, Side, join

ANSWER_SECONDS: Final = 60.0
"""How long an adapter may take for an answer to us; the slowest needs ten seconds."""
_LOOP: Final = 3
_LOOP_SECONDS: Final = 60.0
_NO_RESULT: Final[Frame] = {"code": INTERNAL_ERROR, "message": "the agent gave no answer that makes sense"}


class Adapters:
    """Starts and ends adapters and makes our own requests to them."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._count = 0
        self._deaths: dict[str, deque[float]] = {}

    def spec(self, agent: str) -> Spec | None:
        """Return what is known of an agent that can be started."""
        return next((spec for spec in self._core.roster.agents() if spec.agent == agent), None)

    def get(self, agent: str, abilities: Abilities, servers: list[Frame]) -> Running:
        """Return an adapter for a session, started if there is none that it can share; raises AgentBindError."""
        spec = self.spec(agent)
        if spec is None:
            raise AgentBindError(f"{agent} is not an agent of this container that is signed in")
        shared = "" if spec.quirks.share_process else json.dumps(servers, sort_keys=True)
        group = (agent, abilities.key, shared)
        for running in self._core.running.values():
            if running.group == group and not running.stopping:
                return running
        deaths = self._recent_deaths(agent)
        if len(deaths) >= _LOOP:
            raise AgentBindError(f"{spec.label} ended {_LOOP} times within {_LOOP_SECONDS:.0f} seconds; wait a minute")
        return self._start(spec, group, abilities)

    def when_ready(self, running: Running, then: Callable[[], None], failed: Failed) -> None:
        """Go on when an adapter has answered `initialize`."""
        if running.refused is not None:
            failed(running.refused)
        elif running.initialize is not None:
            then()
        else:
            running.waiting.append((then, failed))

    def ask(
        self,
        running: Running,
        method: str,
        params: Frame,
        then: Callable[[Frame], None],
        failed: Failed,
        *,
        session: str | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        """Make a request of ours; exactly one of `then` and `failed` is called, at the latest after `seconds`."""
        done = False

        def settle(frame: Frame) -> None:
            nonlocal done
            if done:
                return
            done = True
            result, error = frame.get("result"), frame.get("error")
            if type(result) is dict or (result is None and "result" in frame):
                then(result or {})
            else:
                failed(error if type(error) is dict else _NO_RESULT)

        def give_up() -> None:
            settle({"error": {"code": INTERNAL_ERROR, "message": f"no answer to {method} in {seconds:.0f} seconds"}})

        if running.peer not in self._core.running:
            settle({"error": {"code": INTERNAL_ERROR, "message": f"{running.spec.label} has ended"}})
            return
        self._core.perform([ask(self._core.router, running.peer, method, params, settle, session)])
        self._core.timers.at(self._core.now + seconds, give_up)

    def lost(self, peer: Peer, details: str) -> list[Output]:
        """Take note that an adapter has ended, and return what follows."""
        running = self._core.running.pop(peer, None)
        if running is None:
            return []
        if not running.stopping:
            self._recent_deaths(running.spec.agent).append(self._core.now)
        waiting, running.waiting = running.waiting, []
        out = lose_backend(self._core.router, peer, details)
        for _, failed in waiting:
            failed({"code": INTERNAL_ERROR, "message": f"{running.spec.label} has ended", "data": {"details": details}})
        return out

    def stop(self, running: Running) -> None:
        """End an adapter that is not needed or does not answer."""
        if not running.stopping:
            running.stopping = True
            self._core.backends.stop(running.peer.number)

    def _start(self, spec: Spec, group: tuple[str, str, str], abilities: Abilities) -> Running:
        core = self._core
        self._count += 1
        running = Running(Peer(Side.BACKEND, self._count), spec, group, used=core.now)
        core.running[running.peer] = running
        join(core.router, running.peer)
        core.backends.start(running.peer.number, spec.agent)

        def answered(result: Frame) -> None:
            if not speaks_our_version(result):
                refused({"code": INTERNAL_ERROR, "message": f"{spec.label} speaks another version of the protocol"})
                return
            running.initialize = result
            waiting, running.waiting = running.waiting, []
            for then, _ in waiting:
                then()

        def refused(error: Frame) -> None:
            waiting, running.waiting = running.waiting, []
            running.refused = error
            self.stop(running)
            for _, failed in waiting:
                failed(error)

        params = initialize_backend(abilities.told, core.settings.version)
        self.ask(running, "initialize", params, answered, refused)
        return running

    def _recent_deaths(self, agent: str) -> deque[float]:
        deaths = self._deaths.setdefault(agent, deque())
        while deaths and deaths[0] < self._core.now - _LOOP_SECONDS:
            deaths.popleft()
        return deaths
