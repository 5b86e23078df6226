"""Find what agents have pushed, by task, branch or commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok_util import LeanTuple, TerokError, lean_dataclass, read_tail, safe_text

from terok.errors import TaskError, UnknownTask
from terok.integrations.sandbox import SandboxConfig, mirror_path, new_work, pusher, run_git

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from terok.integrations.sandbox import GitGate, NewWork
    from terok.model.task import Task
    from terok.services.tasks_base import TaskBase

_HEX = frozenset("0123456789abcdef")
_COMMIT = range(4, 65)
"""How many hexadecimal digits may stand for a commit."""
_OF_SCOPE = "SELECT id, name, container FROM tasks WHERE coalesce(nullif(scope, ''), project) = ?"
_LOG_TAIL = 16384
_SHOWN = 8


@lean_dataclass(frozen=True, slots=True)
class Work:
    """A branch of a gate that has commits of agents; `task` is whose it is, "" if nobody's that is known."""

    scope: str
    branch: str
    task: str
    work: NewWork | None
    others: tuple[str, ...] = ()
    """Further branches with new work of the same task."""


class Mirrored(LeanTuple):
    """The mirror of a scope, for who only reads it."""

    scope: str
    path: Path


class Gates:
    """The gates of all projects, and whose work is in them."""

    def __init__(self, tasks: TaskBase, config: SandboxConfig | None = None) -> None:
        self._config = config or SandboxConfig.load()
        self._tasks = tasks
        self._known: dict[str, dict[str, tuple[str, NewWork]]] = {}
        self._here: dict[str, dict[str, tuple[str, str]]] = {}

    def tasks_of(self, scope: str) -> dict[str, tuple[str, str]]:
        """Return name and container of the tasks of a scope, also of those in the trash, by their ids."""
        if scope not in self._here:
            found = self._tasks.store.rows(_OF_SCOPE, scope)
            self._here[scope] = {task: (name, container) for task, name, container in found}
        return self._here[scope]

    def mirrored(self, scope: str) -> Mirrored:
        """Return the mirror of a scope, which may not be there."""
        return Mirrored(scope, mirror_path(self._config.gate_base_path, scope))

    def open(self, scope: str) -> GitGate:
        """Return the gate of a scope; GateError if there is none."""
        from terok.integrations.sandbox import GitGate  # whoever only looks starts sooner without

        return GitGate.open(scope, base=self._config.gate_base_path, config=self._config)

    def scopes(self, project: str | None = None) -> list[str]:
        """Return the names of all gates, or of a project's."""
        found = sorted(path.name.removesuffix(".git") for path in self._config.gate_base_path.glob("*.git"))
        return [scope for scope in found if project in (None, scope)]

    def find(self, what: str, *, branch: str | None = None, project: str | None = None) -> Work:
        """Return the branch that a task, a branch's name or a commit stands for.

        Raises:
            UnknownTask: It stands for none, or for several.
            TaskError: The task has pushed nothing that waits, or several branches.
        """
        try:
            task = self._tasks.store.find(f"{project}/{what}" if project and "/" not in what else what, trashed=True)
        except UnknownTask:
            return self.of_name(what, project)
        return self.of_task(task, branch)

    def waiting(self, project: str | None = None) -> tuple[list[Work], list[TerokError]]:
        """Return all branches with new work, and why a gate could not be read."""
        rows, failed = [], []
        for scope in self.scopes(project):
            try:
                rows += [Work(scope, name, owner, work) for name, (owner, work) in self._new_work(scope).items()]
            except TerokError as error:
                failed.append(error)
        return rows, failed

    def look_again(self, scope: str) -> None:
        """Forget what was read of a gate."""
        self._known.pop(scope, None)
        self._here.pop(scope, None)

    def _new_work(self, scope: str) -> dict[str, tuple[str, NewWork]]:
        """Return the branches of a scope with new work, and the task that each belongs to; read once."""
        if scope not in self._known:
            place = self.mirrored(scope)
            self._known[scope] = {one.branch: (self._owner(place, one.branch), one) for one in new_work(place.path)}
        return self._known[scope]

    def of_task(self, task: Task, branch: str | None = None) -> Work:
        """Return the branch of a task that is to be reviewed; TaskError if it has pushed nothing, or several."""
        scope = task.scope or task.project
        if not mirror_path(self._config.gate_base_path, scope).exists():
            raise _nothing(task)
        new = self._new_work(scope)
        mine = [name for name, (owner, _) in new.items() if owner == task.id]
        if branch is not None:
            if branch not in self.open(scope).branch_heads():
                raise TaskError(
                    f"the gate of {scope} has no branch {safe_text(branch, limit=80)}",
                    hint=f"`terok review {task.id}` shows what the task has pushed",
                )
            return Work(scope, branch, task.id, new[branch][1] if branch in new else None)
        # Its own branch first, then what it has pushed under names of its own choice, then what was not committed.
        ranked = sorted(mine, key=lambda name: (name != task.branch, name.startswith(_WIP), name))
        if not ranked:
            if task.branch and task.branch in self.open(scope).branch_heads():
                return Work(scope, task.branch, task.id, None)
            raise _nothing(task)
        named = [name for name in ranked if not name.startswith(_WIP)]
        if len(named) > 1 and ranked[0] != task.branch:
            raise TaskError(
                f"task {task.id} has pushed {len(named)} branches: {', '.join(map(safe_text, named[:_SHOWN]))}",
                hint=f"say which: `terok review {task.id} --branch {safe_text(named[0])}`",
            )
        return Work(scope, ranked[0], task.id, new[ranked[0]][1], tuple(ranked[1:]))

    def of_name(self, what: str, project: str | None = None) -> Work:
        """Return the branch that has this name or holds this commit; UnknownTask if there is none, or several."""
        found: list[tuple[str, str]] = []
        failed = []
        for scope in self.scopes(project):
            try:
                if what in self.open(scope).branch_heads():
                    found.append((scope, what))
                elif len(what) in _COMMIT and _HEX.issuperset(what):
                    found += [(scope, branch) for branch in self._holding(scope, what)]
            except TerokError as error:  # a damaged gate hides no other one
                failed.append(error)
        if not found and failed:
            raise failed[0]
        if not found:
            raise UnknownTask(
                f"no task, branch or commit is called {safe_text(what, limit=80)!r}",
                hint="`terok review` lists what waits, `terok task list` the tasks",
            )
        if len(found) > 1:
            listed = ", ".join(f"{scope} {safe_text(branch)}" for scope, branch in found[:_SHOWN])
            raise UnknownTask(
                f"{safe_text(what, limit=80)} fits several branches: {listed}",
                hint="name the project with --project, or the task",
            )
        ((scope, branch),) = found
        owner, work = self._new_work(scope).get(branch) or (self._owner(self.mirrored(scope), branch), None)
        return Work(scope, branch, owner, work)

    def _holding(self, scope: str, commit: str) -> Sequence[str]:
        """Return the branches with new work that hold a commit, those whose tip it is first and alone."""
        mirror = self.mirrored(scope).path
        asked = run_git("rev-parse", "-q", "--verify", f"{commit}^{{commit}}", git_dir=mirror, check=False)
        oid = asked.text.strip()
        if asked.returncode or not oid:
            return []
        rows = {name: work.tip for name, (_, work) in self._new_work(scope).items()}
        if at_tip := [branch for branch, tip in rows.items() if tip == oid]:
            return at_tip
        listed = run_git("for-each-ref", "--format=%(refname)", f"--contains={oid}", "refs/heads/", git_dir=mirror)
        holding = {line.removeprefix("refs/heads/") for line in listed.text.splitlines()}
        return [branch for branch in rows if branch in holding]

    def _owner(self, gate: Mirrored, branch: str) -> str:
        """Return the task that a branch belongs to: who has pushed to it last by the gate's log, else by its name."""
        here = self.tasks_of(gate.scope)
        last = read_tail(gate.path / "logs/refs/heads" / branch, _LOG_TAIL).rstrip("\n").rpartition("\n")[2]
        who = last.partition("<")[2].partition("> ")[0]
        for task, (_, container) in here.items():
            if pusher(container) == who:
                return task
        name = branch.removeprefix(_WIP).removeprefix("terok/").partition("-")[0]
        return name if name in here and branch.startswith("terok/") else ""


_WIP = "terok/wip/"


def _nothing(task: Task) -> TaskError:
    return TaskError(
        f"task {task.id} has nothing in the gate to review",
        hint=f"`terok task show {task.id}` says what it is doing, `terok task diff {task.id}` what it has changed",
    )
