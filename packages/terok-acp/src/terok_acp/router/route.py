"""The pure core: one frame of one peer in, what follows from it out.

Ids are exchanged on every hop, so that no peer can answer, cancel or name what is another's; a backend reaches its own
sessions only, and everything else that it names is dropped and counted.
"""

from __future__ import annotations

from typing import Any

from terok_acp.protocol.frames import (
    CANCELLED,
    INTERNAL_ERROR,
    METHOD_NOT_FOUND,
    Frame,
    error,
    is_reply,
    notification,
    params_of,
    session_of,
)
from terok_acp.protocol.methods import Way, method_of
from terok_acp.router.outputs import Answered, Heard, Output, Posed, Resolved, Send, Serve, Settled
from terok_acp.router.questions import withdraw
from terok_acp.router.state import MOST_HELD, MOST_OPEN, Link, Open, Peer, Question, Side, State, question_count

_CANCEL = "$/cancel_request"
_HELD_BYTES = 1 << 20
"""Bytes of early updates that are held for one backend."""


def route(state: State, peer: Peer, frame: Frame, size: int = 0) -> list[Output]:
    """Route a frame that `peer` sent; `size` is its length in bytes."""
    link = state.links.get(peer)
    if link is None:
        return _drop(state, "frame of a peer that is gone")
    if is_reply(frame):
        return _reply(state, peer, link, frame)
    if frame["method"] == _CANCEL and "id" not in frame:
        return _cancel_request(state, peer, params_of(frame).get("requestId"))
    if peer.side is Side.EDITOR:
        return _from_editor(state, peer, frame)
    return _from_backend(state, peer, link, frame, size)


def _reply(state: State, peer: Peer, link: Link, frame: Frame) -> list[Output]:
    number = frame["id"]
    entry = link.open.pop(number, None) if type(number) is int else None
    if entry is None:
        return _drop(state, "answer to nothing that is open")
    if entry.tag is not None:
        return [Settled(peer, entry.tag, frame, entry.method)]
    back: Frame = {**frame, "id": entry.number}
    if peer.side is Side.BACKEND:
        assert entry.origin is not None
        return [Answered(entry.origin, back, entry.method, entry.session, peer)]
    session = state.sessions.get(entry.session or "")
    question = session.questions.pop(entry.question, None) if session else None
    if session is None or question is None:
        return _drop(state, "answer to nothing that is open")
    del question.asked[peer]
    resolved: Output = Resolved(question.backend, back, entry.method, session.key)
    return [resolved, *withdraw(state, question)]


def _from_editor(state: State, editor: Peer, frame: Frame) -> list[Output]:
    key = session_of(frame)
    known = state.sessions.get(key) if key is not None else None
    way = method_of(frame["method"], state.table.from_editor).way
    if way is Way.SERVE or (way is Way.PASS and known is not None):
        return [Serve(editor, frame, known.key if known else None)]
    return _refuse(state, editor, frame)


def _from_backend(state: State, backend: Peer, link: Link, frame: Frame, size: int) -> list[Output]:
    way = method_of(frame["method"], state.table.from_agent).way
    asks = "id" in frame
    if way is Way.REFUSE or (asks and way is not Way.SERVE):
        return _refuse(state, backend, frame)
    name = session_of(frame)
    scope = None
    if name is None and way is Way.SERVE:
        scope, name = _scope(state, backend, params_of(frame))
    session = state.owners[backend].get(name) if name is not None else None
    if session is None:
        if name is not None and link.naming and not asks:
            return _hold(state, link, name, frame, size)
        return _foreign(state, backend, frame)
    if not asks:
        return [Heard(session.key, frame)] if way is Way.PASS else _drop(state, "question without an id")
    if question_count(state, backend) >= MOST_OPEN:
        return [Send(backend, error(frame["id"], INTERNAL_ERROR, f"more than {MOST_OPEN} questions are open"))]
    question = Question(state.next_question, backend, frame["id"], session.key, frame, scope=scope)
    state.next_question += 1
    session.questions[question.number] = question
    return [Posed(question)]


def _scope(state: State, backend: Peer, params: Frame) -> tuple[Open | None, str | None]:
    """Return the request that a question belongs to, and the backend's name of its session."""
    number = params.get("requestId")
    entry = state.links[backend].open.get(number) if type(number) is int else None
    session = state.sessions.get(entry.session or "") if entry else None
    if entry is None or session is None or session.backend != backend:
        return None, None
    return entry, session.backend_id


def _hold(state: State, link: Link, name: str, frame: Frame, size: int) -> list[Output]:
    if len(link.held) >= MOST_HELD or link.held_bytes + size > _HELD_BYTES:
        return _drop(state, "too many updates before their session")
    link.held.append((name, frame, size))
    link.held_bytes += size
    return []


def _foreign(state: State, backend: Peer, frame: Frame) -> list[Output]:
    state.dropped["session of another"] += 1
    if "id" not in frame:
        return []
    return [Send(backend, error(frame["id"], INTERNAL_ERROR, "no such session"))]


def _refuse(state: State, peer: Peer, frame: Frame) -> list[Output]:
    if "id" not in frame:
        return _drop(state, "unknown notification")
    return [Send(peer, error(frame["id"], METHOD_NOT_FOUND, f"no method {frame['method'][:80]!r}"))]


def _cancel_request(state: State, peer: Peer, number: Any) -> list[Output]:
    if peer.side is Side.EDITOR:
        for backend, link in state.links.items():
            for ours, entry in link.open.items():
                if entry.origin == peer and entry.number == number and type(entry.number) is type(number):
                    return [Send(backend, notification(_CANCEL, {"requestId": ours}))]
        return _drop(state, "cancel of nothing that is open")
    for session in state.owners[peer].values():
        for question in session.questions.values():
            if question.id == number and type(question.id) is type(number):
                del session.questions[question.number]
                answer = Send(peer, error(question.id, CANCELLED, "withdrawn"))
                return [*withdraw(state, question), answer]
    return _drop(state, "cancel of nothing that is open")


def _drop(state: State, why: str) -> list[Output]:
    state.dropped[why] += 1
    return []
