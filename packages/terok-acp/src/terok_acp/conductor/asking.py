"""Questions of agents to the person at the editor: who is shown them, and what comes back."""

from __future__ import annotations

from terok_acp.conductor.delivery import Delivery
from terok_acp.conductor.state import Core, Live, View
from terok_acp.protocol.frames import METHOD_NOT_FOUND, Frame, params_of, result
from terok_acp.router.outputs import Resolved, Send
from terok_acp.router.questions import give_up, pose, refuse_question
from terok_acp.router.state import Peer, Question
from terok_acp.wall.frames import result_to_container, to_editor
from terok_acp.wall.rules import Answered, Refused


class Asking:
    """Shows questions to the editors of a session; while there is none they wait."""

    def __init__(self, core: Core, delivery: Delivery) -> None:
        self._core = core
        self._delivery = delivery

    def posed(self, question: Question) -> None:
        """Show a new question to every editor that may answer it."""
        live = self._core.lives.get(question.session)
        if live is None or (question.only is not None and question.only not in live.views):
            self._core.perform(give_up(self._core.router, question))
            return
        for peer, view in list(live.views.items()):
            if view.live and not self._show(live, question, peer, view):
                return

    def offer(self, live: Live, peer: Peer) -> None:
        """Show an editor what is still open in a session that it has come to."""
        session, view = self._core.router.sessions.get(live.row.key), live.views.get(peer)
        if session is None or view is None:
            return
        for question in list(session.questions.values()):
            if peer not in question.asked:
                self._show(live, question, peer, view)

    def resolved(self, answer: Resolved) -> Send:
        """Return what a backend gets of a person's answer."""
        frame = answer.frame
        return Send(
            answer.to, {**frame, "result": result_to_container(frame["result"])} if "result" in frame else frame
        )

    def _show(self, live: Live, question: Question, peer: Peer, view: View) -> bool:
        """Show a question to one editor; False if it is over, because no editor may see it."""
        if question.only not in (None, peer):
            return True
        core, method = self._core, question.frame["method"]
        editor = core.editors[peer]
        if method == "elicitation/create" and not (editor.abilities and editor.abilities.forms):
            core.perform(refuse_question(core.router, question, METHOD_NOT_FOUND, "the editor shows no forms"))
            return False
        shown = to_editor(method, params_of(question.frame), view.roots, view.rules)
        if isinstance(shown, dict):
            self._delivery.pass_on(live, peer, pose(core.router, question, peer, shown))
            return True
        session = core.router.sessions[question.session]
        if isinstance(shown, Answered):
            session.questions.pop(question.number, None)
            core.perform([Send(question.backend, result(question.id, shown.result))])
        else:
            code, message = (shown.code, shown.message) if shown else (METHOD_NOT_FOUND, "not available")
            core.perform(refuse_question(core.router, question, code, message))
        for line in shown.notices if isinstance(shown, Answered | Refused) else ():
            self._delivery.notice(live, line)
        return False


def is_withdrawal(frame: Frame) -> bool:
    """Tell whether a frame takes a question back."""
    return frame.get("method") == "$/cancel_request"
