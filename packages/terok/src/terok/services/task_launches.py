"""From a recorded task to what an engine starts: request, image, and the workspace it has or gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok.engines.values import Launch as EngineLaunch
from terok.services.marked import make_marked
from terok.services.task_creation import TaskCreation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from terok.config import Project
    from terok.model.task import Task

CONTINUE = "Go on with what you were doing when you were interrupted."
"""The prompt of a headless task that is taken up again without one."""


class TaskLaunches(TaskCreation):
    """Makes launches of tasks."""

    def _launch(self, task: Task, prompt: str | None, project: Project) -> EngineLaunch:
        from terok.config import sandbox_config

        request = self.store.request(task.id)
        for asked in ("preset", "overrides"):
            del request[asked]
        workspace, kept = (None, False) if request.get("sealed") else self._workspace(task)
        if task.mode == "headless":
            again = self._taken_up(task) if kept else None
            if kept and again is None:
                self.say("note: what the agent remembered went with its container; it begins a new conversation")
            request["prompt"] = prompt or again or request["prompt"]
        return EngineLaunch(
            container=task.container,
            mode=task.mode,
            request={**request, "kept": kept},
            workspace=workspace,
            config=sandbox_config(project),
            image=self._image(task, project, request),
        )

    def _image(self, task: Task, project: Project, request: Mapping[str, Any]) -> str | None:
        """Return the image with the project's own lines, brought up to date; None for a project without any."""
        if not (project.image.user_snippet_inline or project.image.user_snippet_file):
            return None
        from terok.services.images import Images

        built = Images(self.say).of_project(project, agent=task.agent, tools=request.get("tools") or ())
        return built.image if built is not None else None

    def _workspace(self, task: Task) -> tuple[Path, bool]:
        """Return the task's workspace, and whether it is that of an earlier container.

        What a start that failed has left in it is put aside: no agent has worked there, but nothing is removed.
        """
        directory = self.directory(task)
        make_marked(directory, task.id)
        workspace = directory / "workspace"
        if (workspace / ".git").exists() and self._has_run(task):
            return workspace, True
        if workspace.is_dir() and any(workspace.iterdir()):
            aside = next(place for n in range(1, 1000) if not (place := directory / f"workspace.{n}").exists())
            workspace.rename(aside)
        workspace.mkdir(mode=0o700, exist_ok=True)
        return workspace, False

    def _has_run(self, task: Task) -> bool:
        return bool(self.store.events_after(0, 1, task=task.id, kind="started"))

    def _taken_up(self, task: Task) -> str | None:
        """Return the prompt for a headless task that is started again without one; None to begin anew."""
        from terok.integrations.executor import load_record, task_dir

        record = load_record(task_dir(task.container)) if task.mode == "headless" else None
        return CONTINUE if record is not None and record.continue_command else None
