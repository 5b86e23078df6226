"""Decisions of a person about the work of agents, and telling the tasks of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok.services.gates import Gates

if TYPE_CHECKING:
    from terok.integrations.sandbox import SandboxConfig
    from terok.services.task_ends import TaskEnds


class Decisions(Gates):
    """The gates of all projects, with what a person decides about the work in them."""

    def __init__(self, tasks: TaskEnds, config: SandboxConfig | None = None) -> None:
        super().__init__(tasks, config)
        self._service = tasks

    def decide(self, scope: str, branch: str, note: str) -> str:
        """Turn a branch down and return its tip; the agent reads the note."""
        tip = self.open(scope).reject(branch, note)
        self.refresh(scope)
        return tip

    def withdraw(self, scope: str, branch: str) -> None:
        """Take a decision back."""
        self.open(scope).withdraw(branch)
        self.refresh(scope)

    def refresh(self, scope: str) -> None:
        """Record for the tasks of a scope what they have in the gate now."""
        here = [task for task in self._service.store.tasks(trashed=True) if (task.scope or task.project) == scope]
        self.look_again(scope)
        facts = {task.id: self._service.pushed(task, self) for task in here if task.trashed is None}
        with self._service.store.write() as writer:
            for task_id, fact in facts.items():
                writer.observe(task_id, pushed=fact)
