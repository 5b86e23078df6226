"""The front of the conductor: events of editors and adapters in, frames out through its ports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from terok_acp.conductor.abilities import Abilities, abilities
from terok_acp.conductor.adapters import Adapters
from terok_acp.conductor.asking import Asking, is_withdrawal
from terok_acp.conductor.binding import Binding
from terok_acp.conductor.catalog import SIGN_IN, Catalog
from terok_acp.conductor.choices import Choices
from terok_acp.conductor.delivery import Delivery
from terok_acp.conductor.greeting import initialize_reply
from terok_acp.conductor.host_questions import HostQuestion, HostQuestions
from terok_acp.conductor.ports import Backends, Editors, Roster, Table, Transcripts
from terok_acp.conductor.state import Core, Editor, Live, Settings
from terok_acp.conductor.turns import Turns
from terok_acp.errors import AcpError
from terok_acp.protocol.frames import (
    AUTH_REQUIRED,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    NOT_FOUND,
    Frame,
    params_of,
    result,
)
from terok_acp.protocol.frames import error as failure
from terok_acp.protocol.framing import Violation, encode
from terok_acp.router.outputs import Answered, Heard, Output, Posed, Resolved, Send, Serve, Settled
from terok_acp.router.route import route
from terok_acp.router.sessions import NAMING, lose_editor, named
from terok_acp.router.state import MOST_OPEN, Peer, Side, join
from terok_acp.wall.capabilities import AUTH_METHODS
from terok_acp.wall.frames import to_editor

_LOOK_SECONDS: Final = 30.0
_STALLED_SECONDS: Final = 60.0


class Conductor:
    """Sessions of many editors over many adapters; no I/O, no clock but the times of its events."""

    def __init__(
        self,
        settings: Settings,
        *,
        backends: Backends,
        editors: Editors,
        roster: Roster,
        table: Table,
        transcripts: Transcripts,
        decide: Callable[[str, str], None],
    ) -> None:
        core = self._core = Core(settings, backends, editors, roster, table, transcripts, self._perform)
        self._delivery = Delivery(core, self._came_up)
        self._adapters = Adapters(core)
        self._binding = Binding(core, self._adapters, self._delivery, self._bound)
        self._questions = HostQuestions(core, self._delivery, decide)
        self._turns = Turns(core, self._binding, self._delivery, self._questions.offer)
        self._choices = Choices(core, self._adapters, self._binding, self._delivery)
        self._asking = Asking(core, self._delivery)
        self._catalog = Catalog(core, self._adapters, self._binding, self._delivery, self._turns, self._choices)
        self._spent: float | None = None
        core.timers.at(0.0, self._look)

    @property
    def counts(self) -> dict[str, int]:
        """How often something was dropped, by reason."""
        return dict(self._core.counts + self._core.router.dropped)

    @property
    def unused(self) -> bool:
        """Whether nobody is connected and nothing runs."""
        return not self._core.editors and not self._core.running

    @property
    def next_time(self) -> float | None:
        """When `tick` has something to do."""
        return self._core.timers.next()

    def tick(self, now: float, date: float) -> None:
        """Tell the time of a steady clock, and the date; every other event is at the time that was told last."""
        self._core.now, self._core.date = now, date
        self._core.timers.run(now)

    def editor_joined(self, number: int) -> None:
        """Take in an editor."""
        peer = Peer(Side.EDITOR, number)
        join(self._core.router, peer, self._core.settings.first_id)
        self._core.editors[peer] = Editor(peer, moved=self._core.now)

    def editor_frame(self, number: int, frame: Frame | Violation, size: int = 0) -> None:
        """Take a frame of an editor."""
        peer = Peer(Side.EDITOR, number)
        if isinstance(frame, Violation):
            self._delivery.answer(peer, failure(None, frame.code, frame.message))
        elif peer in self._core.editors:
            self._perform(route(self._core.router, peer, frame, size))

    def editor_gone(self, number: int) -> None:
        """Take note that an editor is gone; what it has running runs on."""
        peer = Peer(Side.EDITOR, number)
        if self._core.editors.pop(peer, None) is None:
            return
        for live in self._core.lives.values():
            if live.views.pop(peer, None) is not None:
                self._turns.left(peer, live)
        lose_editor(self._core.router, peer)

    def take(self, number: int, most: int) -> bytes:
        """Return what an editor is to be sent next, about `most` bytes, nothing if nothing waits."""
        editor = self._core.editors.get(Peer(Side.EDITOR, number))
        if editor is None:
            return b""
        data = editor.outbox.take(most)
        editor.moved = self._core.now
        if not editor.outbox:
            self._delivery.refill(editor)
        return data

    def host_asked(self, question: HostQuestion) -> None:
        """Take a question of the host."""
        self._questions.asked(question)

    def host_question_over(self, number: str) -> None:
        """Take note that a question of the host needs no answer any more."""
        self._questions.over(number)

    def host_notice(self, text: str) -> None:
        """Tell every session that has a turn a line."""
        for live in self._core.lives.values():
            if live.turn is not None:
                self._delivery.notice(live, text)

    def spent(self, dollars: float) -> None:
        """Take note of what the container has cost, which is told with every update about usage."""
        self._spent = dollars

    def backend_frame(self, number: int, frame: Frame | Violation, size: int = 0) -> None:
        """Take a frame of an adapter."""
        if isinstance(frame, Violation):
            self._core.counts["frame of an adapter that is none"] += 1
        else:
            self._perform(route(self._core.router, Peer(Side.BACKEND, number), frame, size))

    def backend_gone(self, number: int, details: str) -> None:
        """Take note that an adapter has ended."""
        peer = Peer(Side.BACKEND, number)
        running = self._core.running.get(peer)
        outputs = self._adapters.lost(peer, details)
        if running is not None:
            self._binding.lost(running)
        self._perform(outputs)

    def _perform(self, outputs: list[Output]) -> None:
        for output in outputs:
            if type(output) is Heard:
                self._heard(output)
            elif type(output) is Send:
                self._send(output)
            elif type(output) is Serve:
                self._serve(output)
            elif type(output) is Answered:
                self._turns.answered(output, self._core.lives.get(output.session or ""))
            elif type(output) is Posed:
                self._asking.posed(output.question)
            elif type(output) is Resolved:
                self._send(self._asking.resolved(output))
            elif type(output) is Settled:
                output.tag(output.frame)
                if output.method in NAMING:
                    named(self._core.router, output.backend)

    def _send(self, output: Send) -> None:
        if output.to.side is Side.BACKEND:
            self._core.backends.send(output.to.number, encode(output.frame))
            return
        editor = self._core.editors.get(output.to)
        if editor is None or (is_withdrawal(output.frame) and not _knows_withdrawal(editor)):
            return
        live = self._core.lives.get(output.session or "")
        if live is not None and output.to in live.views:
            self._delivery.pass_on(live, output.to, output.frame)
        else:
            self._delivery.answer(output.to, output.frame)

    def _heard(self, output: Heard) -> None:
        live = self._core.lives.get(output.session)
        if live is None:
            return
        live.heard = self._core.now
        frame = output.frame
        params = params_of(frame)
        if frame["method"] != "session/update":
            for peer, view in list(live.views.items()):
                shown = to_editor(frame["method"], params, view.roots, view.rules)
                if isinstance(shown, dict) and view.live:
                    mapped = {**frame, "params": {**shown, "sessionId": live.row.key}}
                    self._delivery.pass_on(live, peer, mapped)
            return
        content = params.get("update")
        if type(content) is not dict:
            self._core.counts["update without content"] += 1
            return
        if self._choices.heard(live, content) or live.swallowing:
            return
        if content.get("sessionUpdate") == "usage_update" and self._spent is not None:
            content["cost"] = {"amount": round(self._spent, 6), "currency": "USD"}
        del params["sessionId"]
        self._delivery.record(live, params)

    def _serve(self, output: Serve) -> None:
        peer, frame = output.editor, output.frame
        editor, method = self._core.editors[peer], frame["method"]
        if "id" not in frame:
            live = self._live(peer, output.session)
            if method == "session/cancel" and live is not None:
                self._turns.cancel(peer, live)
            return
        number = frame["id"]
        if number in editor.asking or len(editor.asking) >= MOST_OPEN:
            self._delivery.answer(peer, failure(number, INVALID_REQUEST, "this id, or too much, is open already"))
            return
        editor.asking.add(number)
        try:
            self._serve_request(peer, frame, editor, output.session)
        except AcpError as error:
            self._delivery.answer(peer, failure(number, INTERNAL_ERROR, error.message, error.message))

    def _serve_request(self, peer: Peer, frame: Frame, editor: Editor, key: str | None) -> None:
        number, method = frame["id"], frame["method"]
        if method == "initialize":
            editor.abilities = abilities(params_of(frame))
            self._delivery.answer(peer, result(number, initialize_reply(self._core.settings.version)))
        elif editor.abilities is None:
            self._delivery.answer(peer, failure(number, INVALID_REQUEST, "initialize comes first"))
        elif method == "authenticate":
            self._authenticate(peer, frame)
        else:
            self._serve_session(peer, frame, editor.abilities, key)

    def _serve_session(self, peer: Peer, frame: Frame, can: Abilities, key: str | None) -> None:
        method = frame["method"]
        if method == "session/new":
            self._catalog.new(peer, frame, can)
        elif method == "session/list":
            self._catalog.list(peer, frame)
        elif method == "session/load":
            self._catalog.load(peer, frame, can)
        elif method == "session/resume":
            self._catalog.resume(peer, frame, can)
        elif method == "session/delete":
            self._catalog.delete(peer, frame)
        else:
            self._serve_open(peer, frame, can, self._live(peer, key))

    def _serve_open(self, peer: Peer, frame: Frame, can: Abilities, live: Live | None) -> None:
        method = frame["method"]
        if method == "session/close":
            self._catalog.close(peer, frame, live)
        elif live is None:
            message = "this session is not open here: load or resume it first"
            self._delivery.answer(peer, failure(frame["id"], NOT_FOUND, message, message))
        elif method == "session/prompt":
            self._turns.prompt(peer, frame, live)
        elif method == "session/fork":
            self._catalog.fork(peer, frame, can, live)
        elif method == "session/set_config_option":
            self._choices.set_option(peer, frame, live)
        elif method == "session/set_mode":
            self._choices.set_mode(peer, frame, live)
        elif method == "session/set_model":
            self._choices.set_model(peer, frame, live)
        else:
            self._delivery.answer(peer, failure(frame["id"], METHOD_NOT_FOUND, f"no method {method[:80]!r}"))

    def _authenticate(self, peer: Peer, frame: Frame) -> None:
        wished = params_of(frame).get("methodId")
        if all(method["id"] != wished for method in AUTH_METHODS):
            reply = failure(frame["id"], INVALID_PARAMS, "there is one way to sign in here, and it is called terok")
        elif not self._core.roster.agents():
            reply = failure(frame["id"], AUTH_REQUIRED, SIGN_IN, SIGN_IN)
        else:
            reply = result(frame["id"], {})
        self._delivery.answer(peer, reply)

    def _live(self, peer: Peer, key: str | None) -> Live | None:
        live = self._core.lives.get(key) if key is not None else None
        return live if live is not None and peer in live.views else None

    def _bound(self, live: Live) -> None:
        self._choices.tell(live)

    def _came_up(self, live: Live, peer: Peer) -> None:
        """Tell an editor that has caught up with a session what has no place in the transcript."""
        view = live.views[peer]
        if view.stale:
            view.stale = False
            self._choices.tell_one(live, peer)
        self._asking.offer(live, peer)

    def _look(self) -> None:
        """End what nobody uses, now and then."""
        core = self._core
        core.timers.at(core.now + _LOOK_SECONDS, self._look)
        for editor in list(core.editors.values()):
            if editor.outbox and core.now - editor.moved > _STALLED_SECONDS:
                core.connections.drop(editor.peer.number)
        for running in list(core.running.values()):
            lives = [core.lives[key] for key in running.sessions if key in core.lives]
            if any(live.views or live.turn for live in lives) or running.waiting:
                running.used = core.now
            elif core.now - running.used > core.settings.idle_seconds:
                for live in lives:
                    self._binding.release(live)
                self._adapters.stop(running)
        for key, live in list(core.lives.items()):
            if not live.views and live.running is None and live.turn is None and not live.waiting:
                del core.lives[key]


def _knows_withdrawal(editor: Editor) -> bool:
    return editor.abilities is None or editor.abilities.knows_cancel_request
