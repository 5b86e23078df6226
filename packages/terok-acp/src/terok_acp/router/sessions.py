"""Changes of the router's state beside frames: sessions and peers come and go, requests go on."""

from __future__ import annotations

from typing import Any

from terok_acp.protocol.frames import INTERNAL_ERROR, Frame, error, notification, params_of, request
from terok_acp.router.outputs import Answered, Heard, Output, Send, Settled
from terok_acp.router.questions import give_up, withdraw
from terok_acp.router.state import Open, Peer, Session, State

NAMING = frozenset({"session/new", "session/fork"})
"""Requests whose answer names a session that was not known before."""


def know(state: State, key: str) -> Session:
    """Return the session of a key, taken in if it is new."""
    return state.sessions.setdefault(key, Session(key))


def bind(state: State, key: str, backend: Peer, name: str) -> list[Output]:
    """Give a session to a backend that calls it `name`, and let go of what was held for it."""
    session = know(state, key)
    out = unbind(state, key)
    other = state.owners[backend].get(name)
    if other is not None and other is not session:
        out += unbind(state, other.key)
    session.backend, session.backend_id = backend, name
    state.owners[backend][name] = session
    link = state.links[backend]
    mine = [frame for held, frame, _ in link.held if held == name]
    if mine:
        rest = [entry for entry in link.held if entry[0] != name]
        link.held.clear()
        link.held.extend(rest)
        link.held_bytes = sum(size for _, _, size in rest)
    return [*out, *(Heard(key, frame) for frame in mine)]


def unbind(state: State, key: str) -> list[Output]:
    """Take a session from its backend; its open questions are given up."""
    session = state.sessions.get(key)
    if session is None or session.backend is None:
        return []
    out = [output for question in list(session.questions.values()) for output in give_up(state, question)]
    state.owners[session.backend].pop(session.backend_id, None)
    session.backend, session.backend_id = None, ""
    return out


def forget(state: State, key: str) -> list[Output]:
    """Let go of a session for good."""
    out = unbind(state, key)
    state.sessions.pop(key, None)
    return out


def ask(state: State, backend: Peer, method: str, params: Frame, tag: Any, session: str | None = None) -> Send:
    """Make a request of our own to a backend; its answer comes back with `tag`."""
    link = state.links[backend]
    if method in NAMING:
        link.naming += 1
    number = _enter(state, backend, Open(None, None, method, session, tag))
    return Send(backend, request(number, method, params))


def named(state: State, backend: Peer) -> None:
    """Note that a request which names a session is answered; call it after `bind`."""
    link = state.links.get(backend)
    if link is None:
        return
    link.naming = max(0, link.naming - 1)
    if not link.naming and link.held:
        state.dropped["session of another"] += len(link.held)
        link.held.clear()
        link.held_bytes = 0


def forward(state: State, editor: Peer, frame: Frame, key: str) -> Send:
    """Send an editor's request or notification on to the backend of its session."""
    session = state.sessions[key]
    assert session.backend is not None
    on: Frame = {**frame, "params": {**params_of(frame), "sessionId": session.backend_id}}
    if "id" in frame:
        on["id"] = _enter(state, session.backend, Open(editor, frame["id"], frame["method"], key))
    return Send(session.backend, on)


def cancel(state: State, key: str) -> list[Output]:
    """Cancel what runs in a session: tell its backend, and answer its open questions at once."""
    session = state.sessions.get(key)
    if session is None or session.backend is None:
        return []
    tell = Send(session.backend, notification("session/cancel", {"sessionId": session.backend_id}))
    return [tell, *(output for question in list(session.questions.values()) for output in give_up(state, question))]


def lose_backend(state: State, backend: Peer, details: str) -> list[Output]:
    """Let go of a backend: whatever it was asked is answered with an error, its sessions are nobody's."""
    link = state.links.pop(backend, None)
    if link is None:
        return []
    out: list[Output] = []
    for session in list(state.owners.pop(backend).values()):
        for question in list(session.questions.values()):
            out += withdraw(state, question)
        session.questions.clear()
        session.backend, session.backend_id = None, ""
    for entry in link.open.values():
        failure = error(entry.number, INTERNAL_ERROR, "the agent has ended", details)
        if entry.origin is None:
            out.append(Settled(backend, entry.tag, failure, entry.method))
        else:
            out.append(Answered(entry.origin, failure, entry.method, entry.session, backend))
    return out


def lose_editor(state: State, editor: Peer) -> None:
    """Let go of an editor; questions that it was shown stay open for the next."""
    if state.links.pop(editor, None) is None:
        return
    for session in state.sessions.values():
        for question in session.questions.values():
            question.asked.pop(editor, None)


def lose_view(state: State, editor: Peer, key: str) -> list[Output]:
    """Take the questions of a session back from one editor; they stay open."""
    session, link = state.sessions.get(key), state.links.get(editor)
    out: list[Output] = []
    for question in session.questions.values() if session and link else ():
        number = question.asked.pop(editor, None)
        if number is not None and link is not None:
            link.open.pop(number, None)
            out.append(Send(editor, notification("$/cancel_request", {"requestId": number}), key))
    return out


def abandon(state: State, editor: Peer, key: str) -> None:
    """Expect no answer any more to what an editor has asked the backend of a session."""
    session = state.sessions.get(key)
    link = state.links.get(session.backend) if session and session.backend else None
    if link is not None:
        for number in [n for n, entry in link.open.items() if entry.origin == editor and entry.session == key]:
            del link.open[number]


def _enter(state: State, backend: Peer, entry: Open) -> int:
    link = state.links[backend]
    number, link.next_id = link.next_id, link.next_id + 1
    link.open[number] = entry
    return number
