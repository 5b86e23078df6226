"""Deleting a task: stopped, its work handed over, its directory in the trash, its container kept until that expires.

Every step may have been done before: a kill at any point loses nothing, and the operation is taken up again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from terok_util import TerokError

from terok.errors import TaskError, UnknownTask
from terok.integrations.acp import forget_sessions
from terok.model.facts import Silence
from terok.paths import OUTPUT
from terok.services.marked import MARKER, move_marked, remove_marked
from terok.services.task_creation import busy, refuse_gone
from terok.store import own_lease

if TYPE_CHECKING:
    from collections.abc import Mapping

    from terok.model.task import Desired, Task
    from terok.services.task_ends import TaskEnds


def carry_out(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Delete the task so that `take_back` can bring it back as it was."""
    with removing(tasks, str(details["task"]), "trashed") as task:
        tasks.bring_down(task)
        save_output(tasks, task)
        deliver(tasks, task)
        if os.path.lexists(tasks.directory(task) / MARKER) or os.path.lexists(tasks.trash(task)):
            move_marked(tasks.directory(task), tasks.trash(task), task.id)
        with tasks.store.write() as writer:
            if writer.task(task.id).trashed is None:
                writer.change(task.id, "deleted", trashed=writer.at)


@contextmanager
def removing(tasks: TaskEnds, task_id: str, desired: Desired) -> Iterator[Task]:
    """Keep everybody else from acting on a task while the block takes it away; nothing starts it from here on."""
    with tasks.store.write() as writer:
        if not writer.take_lease(task_id, own_lease()):
            raise busy(task_id)
        if desired == "archived" and writer.task(task_id).desired == "trashed":
            refuse_gone(writer.task(task_id))
        writer.dequeue(task_id)
        if writer.task(task_id).desired != desired:
            writer.change(task_id, "removing", desired=desired)
    try:
        yield tasks.store.task(task_id)
    finally:
        with tasks.store.write() as writer:
            writer.drop_lease(task_id)


def take_back(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Bring the task back, which runs only if its deletion did not get as far as stopping it."""
    task = tasks.store.task(str(details["task"]))
    if os.path.lexists(tasks.trash(task)):
        move_marked(tasks.trash(task), tasks.directory(task), task.id)
    with tasks.store.write() as writer:
        taken = any(one.name == task.name and one.project == task.project for one in writer.candidates())
        name = task.name if task.trashed is None or not taken else f"{task.name[:50]}-{task.id}"
        if writer.task(task.id).desired != "trashed":
            return
        runs = task.trashed is None and task.ended is None and task.process == "up"
        writer.change(task.id, "restored", desired="running" if runs else "stopped", trashed=None, name=name)


def give_up(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Remove the container, its sessions with editors, the directory in the trash and the record of the task."""
    try:
        task = tasks.store.task(str(details["task"]))
    except UnknownTask:
        return
    if task.trashed is None:
        return
    tasks.engine(task).remove(task.container, force=True)
    forget_sessions(task.container)
    remove_marked(tasks.trash(task), task.id)
    with tasks.store.write() as writer:
        writer.forget_task(task.id)


def deliver(tasks: TaskEnds, task: Task) -> None:
    """Have a container hand over what it has not; its workspace stays in any case."""
    engine = tasks.engine(task)
    fact = tasks.probe(task)
    if isinstance(fact, Silence):
        raise TaskError(f"task {task.id} may still run: {fact.text}", hint="try again")
    if fact.word == "up":
        raise TaskError(f"task {task.id} still runs", hint=f"`terok task stop {task.id}`")
    if fact.word != "exited" or not task.scope or engine.delivery(task.container).complete:
        return
    try:
        engine.hand_over(task.container)
    except (TerokError, TimeoutError, RuntimeError) as error:
        tasks.say(f"note: not all work of task {task.id} is in the gate, and stays in its workspace: {error}")


def save_output(tasks: TaskEnds, task: Task) -> bool:
    """Keep what the task has printed beside its workspace, for when its container is gone; returns whether it is."""
    place = tasks.directory(task) / OUTPUT
    saved = (place.parent / MARKER).exists() and tasks.engine(task).save_output(task.container, place)
    return saved or place.exists()
