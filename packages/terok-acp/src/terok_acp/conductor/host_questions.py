"""Questions of the host about a container, in the session whose turn has led to them.

They look like an agent's permission requests, under ids that no agent can use; answering one elsewhere takes it back
here. One that no session has a turn for waits for the command line, and for the next turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from terok_util import safe_text

from terok_acp.conductor.delivery import Delivery
from terok_acp.conductor.state import Core, Live
from terok_acp.protocol.frames import Frame, notification, update
from terok_acp.router.sessions import ask
from terok_acp.router.state import Peer
from terok_acp.wall.reserved import RESERVED_PREFIX

_MOST: Final = 64
"""Questions that are kept; what waits beyond is for the command line."""
_LONGEST: Final = 300


@dataclass(frozen=True, slots=True)
class HostQuestion:
    """One question; each choice has an id, a name for people and its kind in the protocol, and the last rejects."""

    id: str
    title: str
    why: str
    choices: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class _Shown:
    live: Live
    peer: Peer
    number: int


class HostQuestions:
    """Shows the host's questions to editors; `decide` carries a person's answer out."""

    def __init__(self, core: Core, delivery: Delivery, decide: Callable[[str, str], None]) -> None:
        self._core = core
        self._delivery = delivery
        self._decide = decide
        self._open: dict[str, HostQuestion] = {}
        self._shown: dict[str, _Shown] = {}

    def asked(self, question: HostQuestion) -> None:
        """Take a question; it is shown at once if a session has a turn."""
        if question.id in self._open or len(self._open) >= _MOST:
            return
        self._open[question.id] = question
        turns = [live for live in self._core.lives.values() if live.turn is not None]
        for live in sorted(turns, key=lambda live: live.heard, reverse=True):
            if self._show(live, question):
                return

    def over(self, number: str) -> None:
        """Take a question back, because it is answered or does not matter any more."""
        self._open.pop(number, None)
        shown = self._shown.pop(number, None)
        if shown is None:
            return
        link = self._core.router.links.get(shown.peer)
        if link is not None and link.open.pop(shown.number, None) is not None:
            editor = self._core.editors[shown.peer]
            if editor.abilities is not None and editor.abilities.knows_cancel_request:
                withdrawal = notification("$/cancel_request", {"requestId": shown.number})
                self._delivery.pass_on(shown.live, shown.peer, withdrawal)
        self._close(shown, number)

    def offer(self, live: Live) -> None:
        """Show what waits in a session that has a turn now."""
        for number, question in list(self._open.items()):
            shown = self._shown.get(number)
            if shown is None or shown.peer not in self._core.editors:
                self._show(live, question)

    def _show(self, live: Live, question: HostQuestion) -> bool:
        peer = live.turn.editor if live.turn else None
        view = live.views.get(peer) if peer else None
        if peer is None or view is None or not view.live:
            return False
        core, key = self._core, live.row.key
        call: Frame = {
            "toolCallId": RESERVED_PREFIX + question.id,
            "title": safe_text(question.title)[:_LONGEST],
            "kind": "other",
            "status": "pending",
            "content": [{"type": "content", "content": {"type": "text", "text": safe_text(question.why)[:_LONGEST]}}],
        }
        self._delivery.pass_on(live, peer, update(key, {"sessionUpdate": "tool_call", **call}))
        options = [{"optionId": one, "name": name, "kind": kind} for one, name, kind in question.choices]
        params: Frame = {"sessionId": key, "toolCall": call, "options": options}
        send = ask(core.router, peer, "session/request_permission", params, self._answer(question), key)
        self._shown[question.id] = _Shown(live, peer, send.frame["id"])
        self._delivery.pass_on(live, peer, send.frame)
        return True

    def _answer(self, question: HostQuestion) -> Callable[[Frame], None]:
        def answered(frame: Frame) -> None:
            shown = self._shown.pop(question.id, None)
            if shown is None:
                return
            chosen = _chosen(frame.get("result"))
            if chosen in {one for one, _, _ in question.choices}:
                self._open.pop(question.id, None)
                self._decide(question.id, chosen)
            self._close(shown, question.id)

        return answered

    def _close(self, shown: _Shown, number: str) -> None:
        over = {"sessionUpdate": "tool_call_update", "toolCallId": RESERVED_PREFIX + number, "status": "completed"}
        self._delivery.pass_on(shown.live, shown.peer, update(shown.live.row.key, over))


def _chosen(result: Any) -> str:
    outcome = result.get("outcome") if type(result) is dict else None
    chosen = outcome.get("optionId") if type(outcome) is dict and outcome.get("outcome") == "selected" else None
    return chosen if type(chosen) is str else ""
