"""One question to Podman about the containers of all tasks, and its answer as facts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from terok_util import TerokError

from terok.integrations.sandbox import SANDBOX_LABEL, ContainerState, PodmanRuntime
from terok.model.facts import Process, Silence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from terok.integrations.sandbox import ContainerSummary

SOURCE = "podman"
UP = frozenset({ContainerState.RUNNING, ContainerState.PAUSED, ContainerState.STOPPING})
"""States of a container that has processes."""


def probe(containers: Mapping[str, str]) -> dict[str, Process | Silence]:
    """Return a fact for every task, whose container's name is the value; `Silence` if Podman does not answer.

    A container is known by the name that it was launched with: one that was renamed by hand is still there.
    """
    if not containers:
        return {}
    try:
        rows = launched()
    except TerokError as error:
        silence = Silence(time.time(), SOURCE, error.message)
        return dict.fromkeys(containers, silence)
    now = time.time()
    return {task: fact_of(rows.get(name), now) for task, name in containers.items()}


def launched() -> dict[str, ContainerSummary]:
    """Return all sandboxed containers by the name that they were launched with; EngineError without an answer."""
    rows = PodmanRuntime().containers_with_prefix("")
    # Those of an earlier version have no name there, and are known by the one that they have.
    by_name = {row.name: row for row in rows if SANDBOX_LABEL in row.labels}
    return by_name | {row.labels[SANDBOX_LABEL]: row for row in by_name.values()}


def fact_of(row: ContainerSummary | None, now: float) -> Process | Silence:
    """Return what a row of Podman's listing says; one that was made and never started has not begun: it is gone.

    A state in between, such as that of a container which Podman is removing, says nothing yet.
    """
    if row is not None and row.state in UP:
        return Process(now, SOURCE, "up", since=row.started)
    if row is not None and row.state is ContainerState.EXITED:
        return Process(now, SOURCE, "exited", row.exit_code, row.ended)
    if row is not None and row.state is not ContainerState.CREATED:
        return Silence(now, SOURCE, f"podman says that its container is {row.state}")
    return Process(now, SOURCE, "gone")
