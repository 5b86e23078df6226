"""Models, modes and options: what an editor chooses, and what it is told when a backend chooses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from terok_acp.conductor.adapters import Adapters
from terok_acp.conductor.binding import Binding, adopt
from terok_acp.conductor.delivery import Delivery
from terok_acp.conductor.state import Core, Live, Phase
from terok_acp.protocol.frames import INVALID_PARAMS, INVALID_REQUEST, Frame, params_of, result, update
from terok_acp.router.options import (
    DEFAULT_MODEL,
    MODEL_OPTION,
    AgentModels,
    Models,
    choice_for_backend,
    mode_option,
    model_select,
    models_of,
    modes_for_editor,
    options_for_editor,
    options_of,
    split,
)
from terok_acp.router.state import Peer
from terok_acp.wall.frames import error_to_editor

_FRESH: Final = "From here on {label} answers; it has not seen the conversation above.\n\n"


class Choices:
    """Serves what an editor sets in a session."""

    def __init__(self, core: Core, adapters: Adapters, binding: Binding, delivery: Delivery) -> None:
        self._core = core
        self._adapters = adapters
        self._binding = binding
        self._delivery = delivery

    def session_state(self, live: Live, peer: Peer) -> Frame:
        """Return modes and options of a session as an editor gets them with a reply that opens it."""
        shown: Frame = {"configOptions": self._options(live, peer)}
        modes = modes_for_editor(self._known(live))
        if modes is not None:
            shown["modes"] = modes
        if peer in live.views:
            live.views[peer].told = shown
        return shown

    def tell(self, live: Live) -> None:
        """Tell all editors of a session its options and mode, because they have changed."""
        for peer, view in list(live.views.items()):
            if view.live:
                self.tell_one(live, peer)
            else:
                view.stale = True

    def tell_one(self, live: Live, peer: Peer) -> None:
        """Tell one editor of a session its options and mode, those that it was not told before."""
        view, key = live.views[peer], live.row.key
        before, now = view.told, self.session_state(live, peer)
        if now["configOptions"] != before.get("configOptions"):
            options = {"sessionUpdate": "config_option_update", "configOptions": now["configOptions"]}
            self._delivery.pass_on(live, peer, update(key, options))
        mode = now.get("modes", {}).get("currentModeId")
        if type(mode) is str and mode != before.get("modes", {}).get("currentModeId"):
            change = {"sessionUpdate": "current_mode_update", "currentModeId": mode}
            self._delivery.pass_on(live, peer, update(key, change))

    def heard(self, live: Live, content: Frame) -> bool:
        """Take note of an update that says a state which is ours to tell; False for every other."""
        kind = content.get("sessionUpdate")
        if kind == "config_option_update":
            if type(content.get("configOptions")) is list:
                live.shown = {**live.shown, "configOptions": content["configOptions"]}
        elif kind == "current_mode_update":
            modes = live.shown.get("modes")
            if type(modes) is dict:
                live.shown = {**live.shown, "modes": {**modes, "currentModeId": content.get("currentModeId")}}
        else:
            return False
        if live.phase is Phase.BOUND:
            self.tell(live)
        return True

    def set_option(self, editor: Peer, frame: Frame, live: Live) -> None:
        """Serve `session/set_config_option`."""
        params = params_of(frame)
        option, value = params.get("configId"), params.get("value")
        if type(option) is not str or type(value) not in (str, bool):
            self._fail(editor, frame, live, INVALID_PARAMS, "configId and value are missing")
        elif option == MODEL_OPTION:
            self._set_model(editor, frame, live, value, lambda: self._options_reply(live, editor))
        else:

            def choose() -> None:
                choice = choice_for_backend(options_of(live.shown), option, value)
                self._set(editor, frame, live, "session/set_config_option", choice, with_options=True)

            self._when_bound(editor, frame, live, choose)

    def set_model(self, editor: Peer, frame: Frame, live: Live) -> None:
        """Serve `session/set_model` of old."""
        self._set_model(editor, frame, live, params_of(frame).get("modelId"), dict)

    def set_mode(self, editor: Peer, frame: Frame, live: Live) -> None:
        """Serve `session/set_mode`, by the option of that category where a backend has no modes."""
        mode = params_of(frame).get("modeId")
        if type(mode) is not str:
            self._fail(editor, frame, live, INVALID_PARAMS, "modeId is missing")
            return

        def choose() -> None:
            option = None if type(live.shown.get("modes")) is dict else mode_option(options_of(live.shown))
            if option is None:
                self._set(editor, frame, live, "session/set_mode", {"modeId": mode})
            else:
                choice = {"configId": option["id"], "value": mode}
                self._set(editor, frame, live, "session/set_config_option", choice)

        self._when_bound(editor, frame, live, choose)

    def _set_model(self, editor: Peer, frame: Frame, live: Live, value: Any, answer: Callable[[], Frame]) -> None:
        chosen = split(value) if type(value) is str else None
        if chosen is None:
            self._fail(editor, frame, live, INVALID_PARAMS, "a model is called AGENT:MODEL here")
            return
        agent, model = chosen
        spec = self._adapters.spec(agent)
        if spec is None:
            self._fail(editor, frame, live, INVALID_PARAMS, f"{agent[:40]!r} is not an agent of this container")
            return
        if agent != live.row.agent and live.turn is not None:
            self._fail(editor, frame, live, INVALID_REQUEST, "another agent can answer when this turn is over")
            return
        wished = None if model == DEFAULT_MODEL and not self._lists(live, agent, model) else model
        if agent == live.row.agent and live.phase is Phase.BOUND:
            self._set_here(editor, frame, live, model, answer)
            return
        if agent != live.row.agent:
            self._binding.release(live, close=True)
            live.shown = {}
            if self._core.transcripts.last(live.row.key):
                self._delivery.say(live, _FRESH.format(label=spec.label))
            live.row = replace(live.row, agent=agent, backend_id=None)
        live.row = replace(live.row, model=wished)
        self._core.table.put(live.row)
        self._delivery.answer(editor, result(frame["id"], answer()), live)
        self.tell(live)
        self._binding.when_bound(live, lambda: None, lambda error: self._bad_news(live, error))

    def _set_here(self, editor: Peer, frame: Frame, live: Live, model: str, answer: Callable[[], Frame]) -> None:
        models = models_of(live.shown)
        if model not in {one.id for one in models.models}:
            if model == DEFAULT_MODEL:
                self._delivery.answer(editor, result(frame["id"], answer()), live)
            else:
                self._fail(editor, frame, live, INVALID_PARAMS, f"{live.row.agent} has no model {model[:80]!r}")
            return
        live.row = replace(live.row, model=model)
        self._core.table.put(live.row)
        if models.option is None:
            method, params = "session/set_model", {"modelId": model}
        else:
            method, params = "session/set_config_option", {"configId": models.option, "value": model}
        self._set(editor, frame, live, method, params, answer=answer)

    def _set(
        self,
        editor: Peer,
        frame: Frame,
        live: Live,
        method: str,
        params: Frame,
        *,
        with_options: bool = False,
        answer: Callable[[], Frame] = dict,
    ) -> None:
        """Set something at the backend, answer the editor that asked, and tell all."""
        running, session = live.running, self._core.router.sessions.get(live.row.key)
        if running is None or session is None:
            self._fail(editor, frame, live, INVALID_REQUEST, "the agent has just ended; try again")
            return

        def took(value: Frame) -> None:
            adopt(live, method, params, value)
            reply = self._options_reply(live, editor) if with_options else answer()
            self._delivery.answer(editor, result(frame["id"], reply), live)
            self.tell(live)

        def failed(error: Frame) -> None:
            reply = {"jsonrpc": "2.0", "id": frame["id"], "error": error_to_editor(error)}
            self._delivery.answer(editor, reply, live)

        full = {"sessionId": session.backend_id, **params}
        self._adapters.ask(running, method, full, took, failed, session=live.row.key)

    def _when_bound(self, editor: Peer, frame: Frame, live: Live, then: Callable[[], None]) -> None:
        def failed(error: Frame) -> None:
            reply = {"jsonrpc": "2.0", "id": frame["id"], "error": error_to_editor(error)}
            self._delivery.answer(editor, reply, live)

        self._binding.when_bound(live, then, failed)

    def _options(self, live: Live, peer: Peer) -> list[Frame]:
        editor = self._core.editors.get(peer)
        booleans = bool(editor and editor.abilities and editor.abilities.booleans)
        return options_for_editor(options_of(self._known(live)), self._select(live), booleans=booleans)

    def _options_reply(self, live: Live, peer: Peer) -> Frame:
        options = self._options(live, peer)
        if peer in live.views:
            live.views[peer].told = {**live.views[peer].told, "configOptions": options}
        return {"configOptions": options}

    def _select(self, live: Live) -> Frame:
        agents: list[AgentModels] = []
        for spec in self._core.roster.agents():
            mine = spec.agent == live.row.agent and bool(live.shown)
            offer = self._core.roster.offer(spec.agent)
            models = models_of(live.shown) if mine else models_of(offer.session) if offer else Models((), None, None)
            agents.append(AgentModels(spec.agent, spec.label, models.models))
        current = models_of(live.shown).current if live.shown else live.row.model
        if not live.shown and current is None:
            current = models_of(self._known(live)).current
        return model_select(agents, live.row.agent, current)

    def _known(self, live: Live) -> Frame:
        """Return what is known of modes and options: from the session, or else from the agent's last one."""
        if live.shown:
            return live.shown
        offer = self._core.roster.offer(live.row.agent)
        return offer.session if offer else {}

    def _lists(self, live: Live, agent: str, model: str) -> bool:
        offer = self._core.roster.offer(agent)
        state = live.shown if agent == live.row.agent and live.shown else offer.session if offer else {}
        return model in {one.id for one in models_of(state).models}

    def _bad_news(self, live: Live, error: Frame) -> None:
        safe = error_to_editor(error)
        self._delivery.notice(live, f"{live.row.agent} could not be started: {safe['message']}", "error")

    def _fail(self, editor: Peer, frame: Frame, live: Live, code: int, message: str) -> None:
        reply: Frame = {"jsonrpc": "2.0", "id": frame["id"], "error": {"code": code, "message": message}}
        self._delivery.answer(editor, reply, live)
