"""Questions of backends to a person: shown to several editors, answered once, withdrawn from the others."""

from __future__ import annotations

from terok_acp.protocol.frames import Frame, error, notification, params_of, result
from terok_acp.router.outputs import Output, Send
from terok_acp.router.state import Open, Peer, Question, State

_CANCELLED: dict[str, Frame] = {
    "session/request_permission": {"outcome": {"outcome": "cancelled"}},
    "elicitation/create": {"action": "cancel"},
}
"""Answers of a person who gives up, per method."""


def pose(state: State, question: Question, editor: Peer, params: Frame) -> Frame:
    """Return the frame that shows a question to an editor; `params` are the question's as the editor may see them."""
    link = state.links[editor]
    number, link.next_id = link.next_id, link.next_id + 1
    method = question.frame["method"]
    link.open[number] = Open(question.backend, question.id, method, question.session, question=question.number)
    question.asked[editor] = number
    shown: Frame = {**params}
    if question.scope is not None and question.scope.origin == editor:
        shown["requestId"] = question.scope.number
    else:
        shown.pop("requestId", None)
        shown["sessionId"] = question.session
    return {**question.frame, "id": number, "params": shown}


def withdraw(state: State, question: Question) -> list[Output]:
    """Take a question back from every editor that has it; an answer that still comes is dropped."""
    out: list[Output] = []
    for editor, number in question.asked.items():
        state.links[editor].open.pop(number, None)
        out.append(Send(editor, notification("$/cancel_request", {"requestId": number}), question.session))
    question.asked.clear()
    return out


def give_up(state: State, question: Question) -> list[Output]:
    """Answer a question with `cancelled` and take it back from the editors."""
    session = state.sessions.get(question.session)
    if session is not None:
        session.questions.pop(question.number, None)
    answer = result(question.id, _CANCELLED[question.frame["method"]])
    return [Send(question.backend, answer), *withdraw(state, question)]


def reject(state: State, question: Question) -> list[Output]:
    """Answer a question with an offered rejection, or with `cancelled`: never with anything that allows."""
    options = params_of(question.frame).get("options")
    for option in options if type(options) is list else []:
        if type(option) is dict and option.get("kind") == "reject_once" and type(option.get("optionId")) is str:
            state.sessions[question.session].questions.pop(question.number, None)
            outcome = {"outcome": {"outcome": "selected", "optionId": option["optionId"]}}
            return [Send(question.backend, result(question.id, outcome)), *withdraw(state, question)]
    return give_up(state, question)


def refuse_question(state: State, question: Question, code: int, message: str) -> list[Output]:
    """Answer a question with an error because no editor may see it."""
    state.sessions[question.session].questions.pop(question.number, None)
    return [Send(question.backend, error(question.id, code, message))]
