"""The health of everything: all checks side by side, each bounded in time, and what can be mended safely."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from terok_util import TerokError

from terok.integrations.sandbox import Sandbox
from terok.services.checks import Check, Finding, exit_code, look_at
from terok.services.checks_files import of_files
from terok.services.checks_projects import of_projects
from terok.services.checks_records import of_records
from terok.services.checks_sandbox import inside, of_containers, of_host
from terok.services.checks_tasks import of_tasks
from terok.services.health_view import View, gather
from terok.services.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from terok.model.task import Task

ROUNDS = 3
"""Times that is looked again after mending: a cause may hide another one."""


@dataclass(slots=True)
class Health:
    """The outcome: what was found at last, what was mended before, and what could not be."""

    findings: list[Finding]
    mended: list[Finding] = field(default_factory=list)
    failed: list[tuple[Finding, str]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def code(self) -> int:
        """The exit code: 0 if all is well, 1 for warnings, 2 for errors."""
        return exit_code(self.findings)


class Sickbay:
    """Use cases of the health. `open_tasks` opens the database, which may be what is wrong."""

    def __init__(self, open_tasks: Callable[[], Tasks] | None = None, sandbox: Sandbox | None = None) -> None:
        self._open = open_tasks or (lambda: Tasks(create=False))
        self._sandbox = sandbox

    def examine(
        self, project: str | None = None, task: list[str] | None = None, *, system: bool = False, fix: bool = False
    ) -> Health:
        """Look at everything, at a project, at one task also from inside, or only at the host (`system`).

        Raises UnknownTask, AmbiguousTask and UnknownProject.
        """
        began = time.monotonic()
        health = Health(self._look(project, task, system=system))
        tried: set[tuple[str, str]] = set()
        for _ in range(ROUNDS if fix else 0):
            wanted = [one for one in health.findings if one.mend is not None and (one.check, one.text) not in tried]
            if not wanted:
                break
            tried |= {(one.check, one.text) for one in wanted}
            self._mend(wanted, health)
            health.findings = self._look(project, task, system=system)
        still = {(one.check, one.subject, one.text) for one in health.findings}
        health.mended = [one for one in health.mended if (one.check, one.subject, one.text) not in still]
        health.seconds = round(time.monotonic() - began, 3)
        return health

    def _look(self, project: str | None, task: list[str] | None, *, system: bool) -> list[Finding]:
        tasks, refusal = self._opened()
        try:
            sandbox = self._sandbox or Sandbox()
        except TerokError as error:  # the configuration: nothing else can be judged without it
            return [Finding("configuration", "error", error.message, hint=error.hint or "")]
        try:
            chosen = tasks.find(task) if tasks is not None and task else None
            view = gather(tasks, sandbox, refusal)
            return look_at(_checks(view, project, chosen, system=system))
        finally:
            if tasks is not None:
                tasks.store.close()

    def _opened(self) -> tuple[Tasks | None, TerokError | None]:
        try:
            return self._open(), None
        except TerokError as error:
            return None, error

    def _mend(self, wanted: list[Finding], health: Health) -> None:
        for one in wanted:
            tasks, _ = self._opened()
            try:
                if one.mend is not None:
                    one.mend(tasks)
                health.mended.append(one)
            except (TerokError, OSError) as error:
                health.failed.append((one, str(error)))
            finally:
                if tasks is not None:
                    tasks.store.close()


def _checks(view: View, project: str | None, chosen: Task | None, *, system: bool) -> Iterator[Check]:
    if chosen is not None:
        yield from of_tasks(view, [chosen])
        for row in view.rows.value or ():
            if row.name == chosen.container and row.state == "running":
                yield from inside(view, row)
        yield from (one for one in of_containers(view) if one.name == f"container {chosen.container}")
        return
    if project is not None:
        mine = [task for task in view.records.tasks if task.project == project]
        yield from of_projects(view, project)
        yield from of_tasks(view, mine)
        names = {f"container {task.container}" for task in mine}
        yield from (one for one in of_containers(view) if one.name in names)
        return
    sources: list[tuple[str, Callable[[View], Iterator[Check]]]] = [
        ("host", of_host),
        ("files", of_files),
        ("records", of_records),
    ]
    if not system:
        sources += [("projects", of_projects), ("tasks", of_tasks), ("containers", of_containers)]
    for name, source in sources:
        yield from _safely(name, source(view))


def _safely(name: str, source: Iterator[Check]) -> Iterator[Check]:
    """Yield checks; what keeps further ones from being made is one that fails."""
    try:
        yield from source
    except (TerokError, OSError) as error:
        problem = Finding(name, "error", str(error))
        yield Check(name, lambda: [problem])
