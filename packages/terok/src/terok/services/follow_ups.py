"""Further prompts: rows that are delivered exactly once, also when nothing else runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok_util import UsageError

from terok.errors import TaskBusy
from terok.services.task_creation import check_text
from terok.services.task_ends import TaskEnds

if TYPE_CHECKING:
    from terok.model.task import FollowUp, Task


class FollowUps(TaskEnds):
    """Writes follow-ups and delivers them."""

    def follow_up(self, task: Task, text: str) -> int:
        """Write a prompt for when the task's turn has ended, and return its number."""
        if not check_text(text).strip():
            raise UsageError("the prompt is empty", hint='say what to do next: `terok task followup TASK "…"`')
        if task.mode != "headless":
            raise UsageError(
                f"task {task.id} is {task.mode}: you talk to its agent yourself", hint=f"`terok login {task.id}`"
            )
        with self.store.write() as writer:
            number = writer.follow_up(task.id, text, "queue")
        self.wake_controller()
        return number

    def waiting(self, task: Task) -> list[FollowUp]:
        """Return the follow-ups that have not been delivered, in their order."""
        return [one for one in self.store.follow_ups(task.id) if one.state == "written"]

    def edit(self, task: Task, number: int, text: str) -> None:
        """Replace the text of a follow-up; UsageError if it has been delivered or is another task's."""
        self._refuse_other(task, number)
        with self.store.write() as writer:
            if not writer.edit_follow_up(number, text):
                raise UsageError(f"follow-up {number} has been delivered", hint="write a new one")

    def take_back(self, task: Task, number: int) -> None:
        """Take a follow-up back; UsageError if it has been delivered or is another task's."""
        self._refuse_other(task, number)
        with self.store.write() as writer:
            if not writer.move_follow_up(number, "written", "taken_back"):
                raise UsageError(f"follow-up {number} has been delivered", hint=f"`terok task stop {task.id}`")

    def deliver_next(self, task: Task) -> FollowUp | None:
        """Start a task that has ended with its next follow-up and return that; None if it runs, or nothing waits.

        Two that try at once deliver it once: it is claimed together with the start, and waits again if that fails.
        None also if the task has to wait for a slot.
        """
        chosen = next(iter(self.waiting(task)), None)
        if chosen is None:
            return None
        try:
            self.restart(self.store.task(task.id), chosen.text, follow_up=chosen.id)
        except TaskBusy:
            return None
        return chosen

    def send(self, task: Task, text: str) -> None:
        """Give a working agent more input now; the executor refuses if its agent takes none.

        It is recorded as a follow-up of its own kind, delivered or not at all.
        """
        if not check_text(text).strip():
            raise UsageError("there is nothing to send")
        if task.mode == "headless":
            raise UsageError(
                f"the agent of task {task.id} takes no more input while it works on its prompt",
                hint=f'`terok task followup {task.id} "…"` gives it one for when it has ended',
            )
        with self.store.write() as writer:
            number = writer.follow_up(task.id, text, "steer")
            writer.move_follow_up(number, "written", "sent")
        try:
            self.engine(task).send(task.container, text)
        except BaseException:
            with self.store.write() as writer:
                writer.move_follow_up(number, "sent", "taken_back")
            raise
        with self.store.write() as writer:
            writer.move_follow_up(number, "sent", "seen")

    def _refuse_other(self, task: Task, number: int) -> None:
        if all(one.id != number for one in self.store.follow_ups(task.id)):
            raise UsageError(
                f"task {task.id} has no follow-up {number}", hint=f"`terok task followup {task.id} --list` lists them"
            )
