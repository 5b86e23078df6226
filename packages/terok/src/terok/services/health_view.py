"""The view that the checks of the health have, gathered once and side by side: none asks Podman for itself."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from terok_util import TerokError

from terok.config import BrokenProject, list_projects
from terok.integrations.sandbox import Sandbox, list_sandboxes
from terok.services.at_once import Answer, at_once
from terok.store import Lease, is_alive
from terok.store.counting import counted_now

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from terok.config import Project
    from terok.integrations.sandbox import ContainerSummary, SandboxRow
    from terok.model.admission import Waiting
    from terok.model.facts import Process, Silence
    from terok.model.task import Operation, Task
    from terok.services.tasks import Tasks

PATIENCE: Final = 6.0
_HOOKS_RUN: Final = (
    "SELECT task FROM events AS hook WHERE kind = 'hook' AND json_extract(data, '$.point') = 'post_stop'"
    " AND json_extract(data, '$.run') = (SELECT max(seq) FROM events WHERE task = hook.task AND kind = 'starting')"
)
_WITH_LEASE: Final = "SELECT id FROM tasks WHERE lease IS NOT NULL"
_SEALED: Final = "SELECT id FROM tasks WHERE json_extract(request, '$.sealed')"


@dataclass(frozen=True, slots=True)
class Records:
    """The content of the database; empty if there is none or it cannot be used."""

    tasks: list[Task] = field(default_factory=list)
    queue: list[Waiting] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)
    leased: frozenset[str] = frozenset()
    held: frozenset[int] = frozenset()
    """Operations at which a living process is."""
    written: frozenset[str] = frozenset()
    """Tasks with a follow-up that waits."""
    controller: Any = None
    watched: bool = False
    quick_check: str = "ok"
    sealed: frozenset[str] = frozenset()
    """Tasks whose work is in their container alone."""
    began: Mapping[str, float] = field(default_factory=dict)
    """When each task was last started with success."""
    hooks_run: frozenset[str] = frozenset()
    """Tasks whose hook `post_stop` has begun for their last run."""
    counted: float = 0.0
    """The counted time, by which the trash expires."""


@dataclass(slots=True)
class View:
    """Everything that was gathered. An Answer without a value means that it is not known, never that there is none."""

    sandbox: Sandbox
    now: float
    records: Records
    store_error: TerokError | None
    rows: Answer[list[SandboxRow]]
    containers: Answer[list[ContainerSummary]]
    facts: Answer[Any]
    projects: Answer[list[Project | BrokenProject]]
    processes: Mapping[str, Process | Silence]

    @property
    def refusal(self) -> TerokError | None:
        """Why Podman did not say what there is; None if it has."""
        for answer in (self.rows, self.facts):
            if isinstance(answer.error, TerokError):
                return answer.error
            if not answer.answered:
                return TerokError(f"podman has not answered for {PATIENCE:g} s")
        return None

    def sound_projects(self) -> list[Project]:
        """Return the projects that can be used."""
        return [one for one in self.projects.value or () if not isinstance(one, BrokenProject)]


def gather(tasks: Tasks | None, sandbox: Sandbox, store_error: TerokError | None = None) -> View:
    """Look at the database, and ask Podman and the projects' files at once."""
    records = Records() if tasks is None else read_records(tasks)
    runtime = sandbox.runtime
    calls: list[Callable[[], Any]] = [
        partial(list_sandboxes, sandbox.config, runtime),
        partial(runtime.containers_with_prefix, ""),
        runtime.host_facts,
        list_projects,
        partial(_probed, tasks, records),
    ]
    rows, containers, facts, projects, processes = at_once(calls, seconds=PATIENCE)
    return View(sandbox, time.time(), records, store_error, rows, containers, facts, projects, processes.value or {})


def read_records(tasks: Tasks) -> Records:
    """Read everything of the database that the checks need."""
    store = tasks.store
    everyone = store.tasks(trashed=True)
    operations = store.operations(10_000)
    return Records(
        tasks=everyone,
        queue=store.queue(),
        operations=operations,
        left_alone=store.left_alone(),
        leased=frozenset(task for (task,) in store.rows(_WITH_LEASE) if store.lease(task) is not None),
        held=frozenset(
            one.id for one in operations if one.state == "open" and _is_held(store.setting(f"operation/{one.id}"))
        ),
        written=frozenset(one.task for one in store.follow_ups() if one.state == "written" and one.how == "queue"),
        controller=store.setting("controller"),
        watched=store.watched(),
        quick_check=str(store.rows("PRAGMA quick_check(1)")[0][0]),
        sealed=frozenset(task for (task,) in store.rows(_SEALED)),
        began=dict(store.rows("SELECT task, max(at) FROM events WHERE kind = 'started' GROUP BY task")),
        hooks_run=frozenset(task for (task,) in store.rows(_HOOKS_RUN)),
        counted=counted_now(store),
    )


def _is_held(kept: Any) -> bool:
    return kept is not None and is_alive(Lease(*kept[:3]))


def _probed(tasks: Tasks | None, records: Records) -> dict[str, Process | Silence]:
    """Ask each engine once about all of its tasks that have a container."""
    found: dict[str, Process | Silence] = {}
    if tasks is None:
        return found
    known = [task for task in records.tasks if task.container and task.started is not None]
    for engine in {task.engine: task for task in known}.values():
        mine = {task.id: task.container for task in known if task.engine == engine.engine}
        found |= tasks.engine(engine).probe(mine)
    return found
