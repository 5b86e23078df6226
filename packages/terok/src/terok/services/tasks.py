"""The use cases of tasks, together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok_util import UsageError

from terok.model.names import check_task_name
from terok.services import archive, deletion
from terok.services.follow_ups import FollowUps
from terok.services.operations import Operations

if TYPE_CHECKING:
    from terok.model.task import Operation, Task


class Tasks(FollowUps):
    """Everything that is done to tasks; see the classes it is made of."""

    @property
    def operations(self) -> Operations:
        """The operations on tasks."""
        return Operations(self)

    def rename(self, task: Task, name: str) -> Task:
        """Give a task a name that no machine will change; UsageError for one that is taken."""
        check_task_name(name)
        with self.store.write() as writer:
            if any(
                one.name == name and one.project == task.project and one.id != task.id for one in writer.candidates()
            ):
                raise UsageError(f"project {task.project} has a task named {name}", hint="choose another name")
            writer.change(task.id, "renamed", name=name, name_by_user=True)
        return self.store.task(task.id)

    def delete(self, task: Task) -> int:
        """Delete a task, stopping it first, and return the number of the operation that brings it back."""
        return self.operations.run(
            "task delete", task.id, f"deleted {task.project}/{task.name}", "task.delete", {"task": task.id}
        )

    def archive(self, task: Task) -> int:
        """Remove the container of a task that is over and keep its record; returns the number of the operation."""
        self.check_archivable(task)
        return self.operations.run(
            "task archive", task.id, f"archived {task.project}/{task.name}", "task.archive", {"task": task.id}
        )

    def check_archivable(self, task: Task) -> None:
        """Raise UsageError for a task that is not over, or whose work is in its container alone."""
        if not self.is_over(task):
            raise UsageError(f"task {task.id} is not over", hint=f"stop it first: `terok task stop {task.id}`")
        if self.store.request(task.id).get("sealed"):
            raise UsageError(
                f"the workspace of task {task.id} is in its container", hint="`terok task delete` keeps it for a while"
            )

    def restore(self, task: Task) -> Operation:
        """Bring a task back that was deleted or archived; UsageError if it was not."""
        for kind, away in (("task.delete", task.trashed), ("task.archive", task.archived)):
            operation = self.operations.of_task(task.id, kind)
            if operation is not None and (away is not None or operation.state == "open"):
                return self.operations.undo(operation.id)
        if (task.trashed is not None or task.archived is not None) and (whole := self.operations.whole(task.id)):
            # One of several that went together comes back by itself, in the way that all of them would.
            (deletion if task.trashed is not None else archive).take_back(self, {"task": task.id})
            self.operations.bring_projects_back([task.id])
            return whole
        raise UsageError(f"task {task.id} is neither deleted nor archived", hint="see `terok task list --all`")

    def revoke(self, task: Task) -> None:
        """Take the tokens of a task away for good: its next call to a provider is refused."""
        from terok.integrations.executor import revoke_phantoms
        from terok.integrations.sandbox import SandboxConfig

        revoke_phantoms(SandboxConfig.load(), task.container)
        with self.store.write() as writer:
            writer.event(task.id, "credentials_revoked")

    def seen(self, task: Task) -> None:
        """Record that a person has looked at a task."""
        if task.unread:
            with self.store.write() as writer:
                writer.change(task.id, "seen", seen=writer.at)
