"""The router's knowledge: who is connected, whose session is where, and what is still to be answered."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final, NamedTuple

from terok_acp.protocol.frames import Frame
from terok_acp.protocol.methods import TABLES, VERSION, Table

MOST_OPEN: Final = 256
"""Requests of one peer that may be unanswered at a time."""
MOST_HELD: Final = 1000
"""Early updates that are held for a backend whose session is not known yet."""


class Side(IntEnum):
    """Which side of us a peer is on."""

    EDITOR = 0
    BACKEND = 1


class Peer(NamedTuple):
    """One connection: an editor, or a running adapter. Numbers are never used again."""

    side: Side
    number: int


class Open(NamedTuple):
    """A request that was sent to a peer and is not answered.

    `origin` is who sent it to us with the id `number`; `None` for a request of our own, which `tag` stands for.
    `question` is set for a question that several editors may be shown.
    """

    origin: Peer | None
    number: Any
    method: str
    session: str | None
    tag: Any = None
    question: int = 0


@dataclass(slots=True)
class Link:
    """One peer's connection: ids that we have given, and updates that came before their session was known."""

    next_id: int = 1
    open: dict[int, Open] = field(default_factory=dict)
    naming: int = 0
    """Requests on their way whose answer will name a new session."""
    held: deque[tuple[str, Frame, int]] = field(default_factory=deque)
    held_bytes: int = 0


@dataclass(slots=True)
class Question:
    """A request of a backend that a person answers; `asked` are the ids under which editors have it.

    `scope` is the request that it belongs to, if it names one instead of its session.
    """

    number: int
    backend: Peer
    id: Any
    session: str
    frame: Frame
    asked: dict[Peer, int] = field(default_factory=dict)
    scope: Open | None = None

    @property
    def only(self) -> Peer | None:
        """The editor that alone may be asked, because the question belongs to a request of that editor."""
        return self.scope.origin if self.scope else None


@dataclass(slots=True)
class Session:
    """Where one session is; `backend` is None while no adapter has it."""

    key: str
    backend: Peer | None = None
    backend_id: str = ""
    questions: dict[int, Question] = field(default_factory=dict)


@dataclass(slots=True)
class State:
    """Everything that routing depends on."""

    links: dict[Peer, Link] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    owners: dict[Peer, dict[str, Session]] = field(default_factory=dict)
    """Per backend, its own names of the sessions it has."""
    next_question: int = 1
    dropped: Counter[str] = field(default_factory=Counter)
    table: Table = TABLES[VERSION]


def join(state: State, peer: Peer, first_id: int = 1) -> None:
    """Take in a new connection; its requests are numbered from `first_id` on."""
    state.links[peer] = Link(first_id)
    if peer.side is Side.BACKEND:
        state.owners[peer] = {}


def question_count(state: State, backend: Peer) -> int:
    """Return how many questions of a backend are open."""
    return sum(len(session.questions) for session in state.owners.get(backend, {}).values())
