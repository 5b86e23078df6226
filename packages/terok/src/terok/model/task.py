"""A task as it is recorded."""

from __future__ import annotations

from typing import Literal

from terok_util import LeanTuple

Desired = Literal["running", "stopped", "archived", "trashed"]
"""The wish of a person; it is written before it is made true."""
Mode = Literal["interactive", "headless", "web"]
FollowUpState = Literal["written", "sent", "seen", "taken_back"]
OperationState = Literal["open", "done", "undone", "expired"]


class Task(LeanTuple):
    """One task. Times are seconds since the epoch; None means not yet, or not known.

    The last nine fields are the state as it was last judged.
    """

    id: str
    project: str
    name: str
    agent: str
    mode: Mode
    created: float
    name_by_user: bool = False
    provider: str = ""
    model: str = ""
    engine: str = "local"
    container: str = ""
    desired: Desired = "running"
    started: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    stopped_by: str = ""
    archived: float | None = None
    trashed: float | None = None
    scope: str = ""
    branch: str = ""
    prompt: str = ""
    race: str = ""
    """The race that it is an attempt of."""
    session: str = ""
    cost: float | None = None
    """US dollars; None when a price is not known."""
    word: str = "unknown"
    group: str = "doubt"
    also: str = ""
    since: float = 0.0
    doubt_at: float | None = None
    unread: bool = False
    process: str = "gone"
    reason: str = ""
    """The first piece of evidence, for lists."""
    works: bool = False
    """Whether anything proves work, whatever the word is: the task has a slot."""


class Event(LeanTuple):
    """One row of the change feed."""

    seq: int
    at: float
    task: str
    kind: str
    data: dict[str, object]


class FollowUp(LeanTuple):
    """A further prompt for a task: for now (`steer`) or for when its turn has ended (`queue`)."""

    id: int
    task: str
    text: str
    how: Literal["steer", "queue"]
    state: FollowUpState
    created: float
    changed: float


class Operation(LeanTuple):
    """A destructive verb, and what undoes it until it `expires` (counted time; None: for ever)."""

    id: int
    at: float
    verb: str
    subject: str
    summary: str
    inverse: dict[str, object]
    state: OperationState
    expires: float | None
