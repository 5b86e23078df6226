"""Ports through which the conductor acts; everything here returns at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from terok_acp.protocol.frames import Frame
from terok_acp.sessions.row import SessionRow


class Backends(Protocol):
    """Running adapters, by a number that is never used again."""

    def start(self, number: int, agent: str) -> None:
        """Start an agent's adapter; its frames and its end come back as events, a failure as its end."""

    def send(self, number: int, line: bytes) -> None:
        """Write a line to an adapter; one that has ended takes it too."""

    def stop(self, number: int) -> None:
        """End an adapter and all that it started; its end comes back as an event."""


class Editors(Protocol):
    """Connected editors, by a number that is never used again."""

    def ready(self, number: int) -> None:
        """Note that something waits in an editor's outbox."""

    def drop(self, number: int) -> None:
        """Close an editor's connection."""


class Quirks(Protocol):
    """How an agent's adapter differs, from the roster."""

    @property
    def replay_after_reply(self) -> bool:
        """Whether a loaded session's history comes after the answer."""

    @property
    def share_process(self) -> bool:
        """Whether sessions with different MCP servers can be in one process."""

    @property
    def resume_by(self) -> Sequence[str]:
        """The ways that find a session again, of `resume` and `load`; those that do not work are left out."""

    @property
    def default_mode(self) -> str | None:
        """The mode that a new session is set to, None for the adapter's own."""


class Spec(Protocol):
    """An agent that can be started."""

    @property
    def agent(self) -> str:
        """Its name in the roster."""

    @property
    def label(self) -> str:
        """Its name for people."""

    @property
    def quirks(self) -> Quirks:
        """How it differs."""


class Offer(Protocol):
    """Answers of an agent when it was last asked."""

    @property
    def initialize(self) -> Frame:
        """Its answer to `initialize`."""

    @property
    def session(self) -> Frame:
        """Its answer to `session/new`."""


class Roster(Protocol):
    """The agents of the container."""

    def agents(self) -> Sequence[Spec]:
        """Return those that are installed and signed in."""

    def offer(self, agent: str) -> Offer | None:
        """Return what is known of an agent, None before it was ever asked."""

    def learned(self, agent: str, initialize: Frame, session: Frame) -> None:
        """Remember what a new session showed."""


class Table(Protocol):
    """The stored sessions of the container."""

    def put(self, row: SessionRow) -> None:
        """Store a session; durable when it returns."""

    def get(self, key: str) -> SessionRow | None:
        """Return a session."""

    def by_backend(self, agent: str, backend_id: str) -> SessionRow | None:
        """Return the session that an agent calls so."""

    def rows(self, cwd: str | None = None) -> Sequence[SessionRow]:
        """Return all sessions, newest first, or those of one directory of the editor."""

    def remove(self, key: str) -> None:
        """Delete a session."""


class Transcripts(Protocol):
    """Records of each session, numbered from 1."""

    def append(self, key: str, item: str) -> int:
        """Add an item and return its number."""

    def last(self, key: str) -> int:
        """Return the number of the last item, 0 if there is none."""

    def read(self, key: str, after: int, max_bytes: int) -> Sequence[tuple[int, str]]:
        """Return the next items and their numbers, at least one if there is one."""

    def complete(self, key: str) -> bool:
        """Tell whether nothing was cut off at the beginning."""

    def clear(self, key: str) -> None:
        """Delete all items; numbers go on."""

    def remove(self, key: str) -> None:
        """Delete a session's transcript."""
