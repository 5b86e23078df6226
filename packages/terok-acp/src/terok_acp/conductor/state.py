"""The conductor's knowledge of editors, sessions and adapters."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from terok_acp.conductor.abilities import Abilities
from terok_acp.conductor.ports import Backends, Editors, Roster, Spec, Table, Transcripts
from terok_acp.conductor.timers import Timers
from terok_acp.protocol.frames import Frame
from terok_acp.router.outbox import Outbox
from terok_acp.router.outputs import Output
from terok_acp.router.state import Peer, State
from terok_acp.sessions.row import SessionRow
from terok_acp.wall.markdown import ImageGuard
from terok_acp.wall.paths import Roots
from terok_acp.wall.rules import Rules

Failed = Callable[[Frame], None]
"""Takes the error object of an answer."""
CONTAINER_ROOT: Final = "/workspace"


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings that a daemon is started with.

    `workspace` are the task's workspace as the host and as the container see it: a directory below it is taken for the
    same one inside, any other stands for the whole workspace. `rules` are what the project allows. `first_id` is the
    number of the first question to an editor; the next daemon has to begin with a higher one, so that an answer to this
    one is none to a question of that one.
    """

    container: str
    version: str
    workspace: Roots | None = None
    default_agent: str | None = None
    rules: Rules = field(default_factory=Rules)
    idle_seconds: float = 900.0
    first_id: int = 1


@dataclass(slots=True)
class View:
    """A session as one editor has it.

    While `live`, updates go out as they come; else from the transcript, after number `next`, and `marks` are lines that
    belong behind a number. A view that is `closed` waits for the answer that opens it.
    """

    roots: Roots
    rules: Rules
    live: bool = True
    closed: bool = False
    next: int = 0
    marks: deque[tuple[int, bytes]] = field(default_factory=deque)
    guard: ImageGuard = field(default_factory=ImageGuard)
    stale: bool = False
    told: Frame = field(default_factory=dict)
    """The modes and options that the editor was told last."""


@dataclass(slots=True)
class Editor:
    """One connected editor; `abilities` are None before it has said them."""

    peer: Peer
    outbox: Outbox = field(default_factory=Outbox)
    abilities: Abilities | None = None
    moved: float = 0.0
    """When it last took something from its outbox."""
    asking: set[Any] = field(default_factory=set)


class Phase(Enum):
    """Whether a session has an adapter."""

    UNBOUND = "unbound"
    BINDING = "binding"
    BOUND = "bound"


@dataclass(slots=True)
class Prompt:
    """One prompt of a turn."""

    frame: Frame
    sent: bool = False
    again: bool = False
    """Whether it was sent anew because the adapter had forgotten the session."""


@dataclass(slots=True)
class Turn:
    """The unanswered prompts of the editor whose turn it is, by their ids."""

    editor: Peer
    prompts: dict[Any, Prompt] = field(default_factory=dict)
    cancelled: bool = False


@dataclass(slots=True)
class Live:
    """A session in use."""

    row: SessionRow
    abilities: Abilities
    """Of the editor that it was last bound for."""
    phase: Phase = Phase.UNBOUND
    running: Running | None = None
    shown: Frame = field(default_factory=dict)
    """Models, modes and options as its backend said them last."""
    servers: list[Frame] = field(default_factory=list)
    directories: list[str] = field(default_factory=list)
    views: dict[Peer, View] = field(default_factory=dict)
    waiting: list[tuple[Callable[[], None], Failed]] = field(default_factory=list)
    turn: Turn | None = None
    prompts: deque[tuple[Peer, Frame]] = field(default_factory=deque)
    """Prompts of other editors, for after this turn."""
    swallowing: bool = False
    """Whether a history that is known here is being told again."""
    recording: bool = False
    """Whether the history is to be had from the backend, by loading."""
    touched: bool = False
    """Whether its row has a newer time than the stored one."""
    heard: float = 0.0
    attempt: int = 0
    """Counts the attempts to bind, so that what belongs to an earlier one is known."""


@dataclass(slots=True)
class Running:
    """An adapter that was started; `initialize` is None until it has answered that."""

    peer: Peer
    spec: Spec
    group: tuple[str, str, str]
    """Agent, what its editor can do, MCP servers: sessions that agree in these share it."""
    initialize: Frame | None = None
    waiting: list[tuple[Callable[[], None], Failed]] = field(default_factory=list)
    sessions: set[str] = field(default_factory=set)
    used: float = 0.0
    stopping: bool = False
    refused: Frame | None = None
    """The error for which it is not used, once it has not answered as it should."""


@dataclass(slots=True)
class Core:
    """The whole of it, shared by the parts of the conductor."""

    settings: Settings
    backends: Backends
    connections: Editors
    roster: Roster
    table: Table
    transcripts: Transcripts
    perform: Callable[[list[Output]], None]
    now: float = 0.0
    """Seconds of a steady clock."""
    date: float = 0.0
    """Seconds since 1970."""
    router: State = field(default_factory=State)
    timers: Timers = field(default_factory=Timers)
    editors: dict[Peer, Editor] = field(default_factory=dict)
    lives: dict[str, Live] = field(default_factory=dict)
    running: dict[Peer, Running] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
