"""The measurements of a demonstration: plain values, on which the checks are based."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from terok.demo.processes import Process


@dataclass(frozen=True, slots=True)
class SearchedPlace:
    """A place that was searched: `items` are files, variables or processes, the hits are occurrences."""

    name: str
    items: int
    bytes_seen: int
    key_hits: int
    stand_in_hits: int
    """Occurrences of the phantom token, which show that the search works."""


@dataclass(frozen=True, slots=True)
class KeySearch:
    """The search for the real key; `unreadable` counts the items that could not be searched."""

    places: tuple[SearchedPlace, ...] = ()
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class UpstreamTraffic:
    """Requests at the model provider: counted by the vault's audit log if `live`, else by the stub."""

    requests: int = 0
    with_real_key: int = 0
    with_other_key: int = 0
    live: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """An attempt of the agent, and its audit row, if there is one.

    `phrase` is the output of its command after a refusal, `agent_saw` the real output (None if unknown). `arrived`
    counts the connections at the target; None for a name. `own` means that the container has the target's address too,
    as under pasta: packets to it never leave the container, so no wall has to refuse them.
    """

    target: str
    phrase: str
    agent_saw: str | None
    row: Mapping[str, Any] | None
    arrived: int | None = None
    own: bool = False


@dataclass(frozen=True, slots=True)
class DeliveredCommit:
    """The commit that arrived in the gate; `patch` is safe to print. Branch tips of the source before and after."""

    branch: str
    commit: str
    author: str
    subject: str
    patch: str


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything one demonstration measured."""

    agent: str
    exit_code: int | None
    seconds: float
    processes: tuple[Process, ...]
    key: KeySearch
    upstream: UpstreamTraffic
    connection: Refusal
    name: Refusal
    delivery: DeliveredCommit | None
    source_before: Mapping[str, str] = field(default_factory=dict)
    """Branch tips of the repository the agent was given."""
    source_after: Mapping[str, str] = field(default_factory=dict)
    log_tail: str = ""
    """The end of the agent's output, safe to print."""
