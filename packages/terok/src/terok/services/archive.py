"""Archiving a task that is over: its container goes, its workspace, output and record stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from terok.services.deletion import deliver, save_output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from terok.services.task_ends import TaskEnds


def carry_out(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Remove the container, once its work and its output are elsewhere."""
    task = tasks.store.task(str(details["task"]))
    save_output(tasks, task)
    deliver(tasks, task)
    with tasks.store.write() as writer:
        writer.change(task.id, "archived", desired="archived", archived=task.archived or writer.at)
    tasks.engine(task).remove(task.container)


def take_back(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Put the task among the others again; `restart` makes a container for its workspace."""
    with tasks.store.write() as writer:
        writer.change(str(details["task"]), "restored", desired="stopped", archived=None)


def give_up(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Do nothing: an archived task stays until it is deleted."""
