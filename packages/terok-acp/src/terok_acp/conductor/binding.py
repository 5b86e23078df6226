"""Gives a session to an adapter when it needs one: a new session there, or the one that it had before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from terok_acp.conductor.abilities import has
from terok_acp.conductor.adapters import Adapters
from terok_acp.conductor.delivery import Delivery
from terok_acp.conductor.state import Core, Failed, Live, Phase, Running
from terok_acp.errors import AgentBindError
from terok_acp.protocol.frames import INTERNAL_ERROR, Frame
from terok_acp.router.options import mode_option, models_of, options_of
from terok_acp.router.sessions import bind, unbind

_QUIET: Final = 0.25
_LONGEST_REPLAY: Final = 10.0
FORGOTTEN: Final = "The agent was started anew and does not remember the conversation above.\n\n"


class Binding:
    """Binds sessions; what waits for that goes on when it is done."""

    def __init__(self, core: Core, adapters: Adapters, delivery: Delivery, changed: Callable[[Live], None]) -> None:
        self._core = core
        self._adapters = adapters
        self._delivery = delivery
        self._changed = changed

    def when_bound(self, live: Live, then: Callable[[], None], failed: Failed) -> None:
        """Go on when the session has an adapter."""
        if live.phase is Phase.BOUND:
            then()
            return
        live.waiting.append((then, failed))
        if live.phase is Phase.UNBOUND:
            self._begin(live)

    def release(self, live: Live, *, close: bool = False) -> None:
        """Take a session from its adapter; `close` tells the adapter that it is not needed any more."""
        running, live.running = live.running, None
        session = self._core.router.sessions.get(live.row.key)
        name = session.backend_id if session else ""
        live.phase = Phase.UNBOUND
        live.attempt += 1
        live.swallowing = False
        if running is None:
            return
        running.sessions.discard(live.row.key)
        running.used = self._core.now
        self._core.perform(unbind(self._core.router, live.row.key))
        if close and name and running.initialize and has(running.initialize, "sessionCapabilities", "close"):
            self._adapters.ask(running, "session/close", {"sessionId": name}, _ignore, _ignore)

    def lost(self, running: Running) -> None:
        """Take note that an adapter has ended with all its sessions."""
        for key in running.sessions:
            live = self._core.lives.get(key)
            if live is not None and live.running is running:
                live.running, live.phase, live.swallowing = None, Phase.UNBOUND, False
                live.attempt += 1

    def _begin(self, live: Live) -> None:
        live.phase = Phase.BINDING
        live.attempt += 1
        attempt = live.attempt

        def failed(error: Frame) -> None:
            if live.attempt == attempt:
                self._failed(live, error)

        try:
            running = self._adapters.get(live.row.agent, live.abilities, live.servers)
        except AgentBindError as error:
            failed({"code": INTERNAL_ERROR, "message": error.message, "data": {"details": error.message}})
            return
        live.running = running
        running.sessions.add(live.row.key)

        def ready() -> None:
            if live.attempt == attempt:
                self._next_way(live, running, self._ways(live, running), failed)

        self._adapters.when_ready(running, ready, failed)

    def _ways(self, live: Live, running: Running) -> Iterator[str]:
        """Give the ways to a session, best first: those that keep the memory, then a new one."""
        reply = running.initialize or {}
        known = live.row.backend_id is not None
        for way in running.spec.quirks.resume_by if known else ():
            if way == "resume" and has(reply, "sessionCapabilities", "resume") and not live.recording:
                yield way
            if way == "load" and has(reply, "loadSession"):
                yield way
        if not live.recording:
            yield "new"

    def _next_way(self, live: Live, running: Running, ways: Iterator[str], failed: Failed) -> None:
        way = next(ways, None)
        if way is None:
            failed({"code": INTERNAL_ERROR, "message": f"{running.spec.label} does not know this session any more"})
            return
        attempt, key = live.attempt, live.row.key
        params: Frame = {"cwd": live.row.container_cwd, "mcpServers": live.servers}
        if live.directories and has(running.initialize or {}, "sessionCapabilities", "additionalDirectories"):
            params["additionalDirectories"] = live.directories
        name = live.row.backend_id
        if way != "new" and name is not None:
            params = {"sessionId": name, **params}
            live.swallowing = way == "load" and not live.recording
            self._core.perform(bind(self._core.router, key, running.peer, name))

        def answered(result: Frame) -> None:
            if live.attempt != attempt:
                return
            named = result.get("sessionId") if way == "new" else name
            if type(named) is not str or (way == "new" and self._core.table.by_backend(live.row.agent, named)):
                failed({"code": INTERNAL_ERROR, "message": f"{running.spec.label} gave its session no name of its own"})
            elif way == "load" and running.spec.quirks.replay_after_reply:
                self._when_quiet(live, attempt, lambda: self._bound(live, running, named, way, result))
            else:
                self._bound(live, running, named, way, result)

        def refused(error: Frame) -> None:
            if live.attempt != attempt:
                return
            live.swallowing = False
            self._core.perform(unbind(self._core.router, key))
            if way == "new":
                failed(error)
            else:
                self._next_way(live, running, ways, failed)

        self._adapters.ask(running, f"session/{way}", params, answered, refused, session=key)

    def _when_quiet(self, live: Live, attempt: int, then: Callable[[], None]) -> None:
        """Go on when nothing has come for a moment: this adapter tells a history after its answer."""
        core, start = self._core, self._core.now
        live.heard = start

        def look() -> None:
            if live.attempt != attempt:
                return
            if core.now - live.heard >= _QUIET or core.now - start >= _LONGEST_REPLAY:
                then()
            else:
                core.timers.at(live.heard + _QUIET, look)

        core.timers.at(start + _QUIET, look)

    def _bound(self, live: Live, running: Running, name: str, way: str, result: Frame) -> None:
        core = self._core
        live.swallowing = live.recording = False
        again = way == "new" and live.row.backend_id is not None
        live.row = replace(live.row, backend_id=name, capability_key=live.abilities.key)
        core.table.put(live.row)
        live.shown = result
        if way == "new":
            if again and core.transcripts.last(live.row.key):
                self._delivery.say(live, FORGOTTEN)
            core.roster.learned(live.row.agent, running.initialize or {}, result)
            core.perform(bind(core.router, live.row.key, running.peer, name))
        self._wishes(live, running, name, way)

    def _wishes(self, live: Live, running: Running, name: str, way: str) -> None:
        """Set the model and the mode that are wished, where the adapter has others; then go on."""
        attempt = live.attempt
        steps: list[tuple[str, Frame]] = []
        models = models_of(live.shown)
        if live.row.model and live.row.model != models.current and live.row.model in {m.id for m in models.models}:
            if models.option is None:
                steps.append(("session/set_model", {"modelId": live.row.model}))
            else:
                steps.append(("session/set_config_option", {"configId": models.option, "value": live.row.model}))
        mode = running.spec.quirks.default_mode if way == "new" else None
        if mode:
            option = mode_option(options_of(live.shown))
            if type(live.shown.get("modes")) is dict:
                steps.append(("session/set_mode", {"modeId": mode}))
            elif option is not None:
                steps.append(("session/set_config_option", {"configId": option["id"], "value": mode}))

        def step() -> None:
            if live.attempt != attempt:
                return
            if not steps:
                self._done(live)
                return
            method, params = steps.pop(0)

            def took(result: Frame) -> None:
                adopt(live, method, params, result)
                step()

            self._adapters.ask(
                running, method, {"sessionId": name, **params}, took, lambda _: step(), session=live.row.key
            )

        step()

    def _done(self, live: Live) -> None:
        live.phase = Phase.BOUND
        waiting, live.waiting = live.waiting, []
        self._changed(live)
        for then, _ in waiting:
            then()

    def _failed(self, live: Live, error: Frame) -> None:
        waiting, live.waiting = live.waiting, []
        self.release(live)
        live.recording = False
        for _, failed in waiting:
            failed(error)


def adopt(live: Live, method: str, params: Frame, result: Frame) -> None:
    """Take note of what a backend has set."""
    if method == "session/set_config_option" and type(result.get("configOptions")) is list:
        live.shown = {**live.shown, "configOptions": result["configOptions"]}
    if method == "session/set_mode" and type(live.shown.get("modes")) is dict:
        live.shown = {**live.shown, "modes": {**live.shown["modes"], "currentModeId": params["modeId"]}}
    if method == "session/set_model" and type(live.shown.get("models")) is dict:
        live.shown = {**live.shown, "models": {**live.shown["models"], "currentModelId": params["modelId"]}}


def _ignore(_: Frame) -> None:
    """Do nothing about an answer that changes nothing."""
