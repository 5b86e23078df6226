"""The controller's decisions: from what is wanted and known to what is to be done now, and when to look again. Pure."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from terok.model.admission import Decision, Limits, Waiting, admit, outcomes
from terok.model.state import STOPPING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from terok.model.task import Task

Verb = Literal["start", "stop", "record", "deliver", "resume", "recover", "check"]
WATCH: Final = 10.0
"""Seconds between two looks at whether those who act on tasks still live."""
COURTESY: Final = 3.0
"""Seconds that a front end which follows a run has to record its end by itself."""
CHECKS: Final = 2
"""Checks that run at once: they are as long as their command, and other things have to be done meanwhile."""


class Act(NamedTuple):
    """Something that a child is to do about a task."""

    verb: Verb
    task: str


class View(NamedTuple):
    """Everything that a plan is made from."""

    tasks: list[Task]
    queue: list[Waiting]
    limits: Limits
    disk_free: int | None
    now: float
    doubts: Mapping[str, float] = {}
    """When time alone will change the state of a task, by task."""
    busy: Collection[str] = ()
    """Tasks about which a child is doing something."""
    written: Collection[str] = ()
    """Tasks with a follow-up that waits."""
    left_alone: Collection[str] = ()
    """Tasks whose start was cut off."""
    interrupted: Collection[str] = ()
    """Tasks that ran when the machine, or everything of this user, was stopped."""
    unwanted: Mapping[str, float] = {}
    """Since when each task that runs is not to."""
    leased: bool = False
    """Some process is acting on a task; if it is killed, nothing tells."""
    not_before: Mapping[Act, float] = {}
    """When what has failed may be tried again."""
    checks: Collection[str] = ()
    """Attempts of races whose check is to be run."""
    checking: Collection[str] = ()
    """Those of which a child runs the check."""


class Plan(NamedTuple):
    """The acts, whom to follow, and when to plan again (None: only when something changes)."""

    acts: list[Act]
    decisions: list[Decision]
    follow: dict[str, Task]
    """Tasks whose containers are to be followed, by id."""
    deadline: float | None
    idle: bool
    """Nothing runs, is queued or awaited: the controller may end."""


def plan(view: View) -> Plan:
    """Return what the controller has to do about a view."""
    wanted: list[Act] = []
    deadlines = [*view.doubts.values()]
    if view.leased:
        deadlines.append(view.now + WATCH)
    live = [task for task in view.tasks if task.trashed is None and task.archived is None]
    follow = {task.id: task for task in live if task.started is not None and task.process == "up"}
    due = [(act, _when(act, task, view.now)) for task in live if (act := _due(task, view)) is not None]
    due += [(Act("stop", task_id), _after(at, STOPPING, view.now)) for task_id, at in view.unwanted.items()]
    due += [(Act("check", task_id), 0.0) for task_id in _to_check(view)]
    for act, at in due:
        when = max(view.not_before.get(act, 0.0), at)
        if when <= view.now:
            wanted.append(act)
        else:
            deadlines.append(when)
    starting = [act.task for act in wanted if act.verb in ("resume", "recover")]
    decisions = _admitted(view, starting)
    deadlines += [decision.retry_at for decision in decisions]
    wanted += [Act("start", decision.task) for decision in decisions if decision.admitted]
    acts = [act for act in wanted if act.task not in view.busy]
    next_look = min(deadlines, default=inf)
    idle = not (follow or acts or view.queue or view.busy or next_look != inf)
    return Plan(acts, decisions, follow, None if next_look == inf else next_look, idle)


def _due(task: Task, view: View) -> Act | None:
    """Return what has to be done about one task, whenever it may be; after a panic nothing that starts one."""
    if task.id in view.left_alone:
        return Act("recover", task.id)
    may_start = task.desired == "running" and not view.limits.stopped
    if task.started is not None and task.ended is None and task.process != "up":
        if may_start and task.id in view.interrupted:
            return Act("resume", task.id)
        if task.process == "exited" or task.desired != "running" or task.word == "failed":
            return Act("record", task.id)
    if task.ended is not None and may_start and task.id in view.written and task.mode == "headless":
        return Act("deliver", task.id)
    return None


def _to_check(view: View) -> list[str]:
    """Return the attempts whose check is to begin; none after a panic."""
    waiting = [task_id for task_id in view.checks if task_id not in view.busy and not view.limits.stopped]
    return waiting[: max(0, CHECKS - len(view.checking))]


def _when(act: Act, task: Task, now: float) -> float:
    return _after(task.since, COURTESY, now) if act.verb == "record" else 0.0


def _after(at: float, seconds: float, now: float) -> float:
    """Return when it is so long after `at`; at once if that is still to come, as after the clock was set back."""
    return at + seconds if at <= now else 0.0


def _admitted(view: View, starting: Collection[str]) -> list[Decision]:
    """Return the decisions about the queue; what is being started or taken up again already holds its slot."""
    projects = {task.id: task.project for task in view.tasks}
    working = [task.id for task in view.tasks if task.works]
    queued = {row.task for row in view.queue}
    held = {*working, *starting, *(task for task in view.busy if task in queued)}
    later = {row.task: view.not_before.get(Act("start", row.task), 0.0) for row in view.queue}
    rows = [row for row in view.queue if row.task not in view.busy and later[row.task] <= view.now]
    held_by = [projects.get(task, "") for task in sorted(held)]
    decisions = admit(rows, held_by, view.limits, view.disk_free, view.now, outcomes(view.tasks))
    failed = [(task, when) for task, when in later.items() if when > view.now and task not in view.busy]
    return decisions + [Decision(task, "time", "could not be started; is tried again", when) for task, when in failed]
