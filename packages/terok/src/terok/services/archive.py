"""Archiving a task that is over: its container goes, its workspace, output and record stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from terok.errors import TaskError
from terok.model.facts import Silence
from terok.services.deletion import deliver, removing, save_output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from terok.services.task_ends import TaskEnds


def carry_out(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Remove the container, once its work and its output are elsewhere."""
    with removing(tasks, str(details["task"]), "archived") as task:
        fact = tasks.probe(task)
        if isinstance(fact, Silence):
            raise TaskError(f"it is not known what task {task.id} is doing: {fact.text}", hint="try again")
        if fact.word != "gone":
            if not save_output(tasks, task):
                raise TaskError(f"the output of task {task.id} could not be saved", hint="try again")
            deliver(tasks, task)
            tasks.engine(task).remove(task.container)
        with tasks.store.write() as writer:
            writer.change(task.id, "archived", archived=task.archived or writer.at)


def take_back(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Put the task among the others again; `restart` makes a container for its workspace."""
    task_id = str(details["task"])
    with tasks.store.write() as writer:
        if writer.task(task_id).desired == "archived":
            writer.change(task_id, "restored", desired="stopped", archived=None)


def give_up(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Do nothing: an archived task stays until it is deleted."""
