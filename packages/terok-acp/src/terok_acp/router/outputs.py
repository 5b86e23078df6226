"""Consequences of a frame; whoever drives the router carries it out, in this order."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from terok_acp.protocol.frames import Frame
from terok_acp.router.state import Peer, Question


class Send(NamedTuple):
    """Write a frame to a peer, in the order of `session` if it has one."""

    to: Peer
    frame: Frame
    session: str | None = None


class Serve(NamedTuple):
    """Decide about a request or notification of an editor; `session` is one that we know, or None."""

    editor: Peer
    frame: Frame
    session: str | None


class Heard(NamedTuple):
    """A backend told something about one of its own sessions; the frame still has the backend's name of it."""

    session: str
    frame: Frame


class Posed(NamedTuple):
    """A backend asks the person at a session something."""

    question: Question


class Answered(NamedTuple):
    """A request of an editor has its answer, with the editor's id; the editor may be gone."""

    editor: Peer
    frame: Frame
    method: str
    session: str | None
    backend: Peer


class Settled(NamedTuple):
    """A request of our own has its answer."""

    backend: Peer
    tag: Any
    frame: Frame
    method: str


class Resolved(NamedTuple):
    """An editor has answered a question; `frame` is for `to`, with that backend's id."""

    to: Peer
    frame: Frame
    method: str
    session: str


Output: TypeAlias = Send | Serve | Heard | Posed | Answered | Settled | Resolved
