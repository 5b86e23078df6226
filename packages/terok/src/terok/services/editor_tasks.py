"""The task that an editor works in: the one that is named, or the project's own for editors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from terok_util import TerokError, UsageError

from terok.errors import TaskBusy, UnknownTask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from terok.model.task import Task
    from terok.services.tasks import Tasks

NAME: Final = "editor"
"""Name of a project's task for editors: they keep the ids of their sessions, which are in its container."""


def task_for_editor(tasks: Tasks, project: str, words: Sequence[str]) -> Task:
    """Return the task for an editor, running: `words` name it, else it is the project's own, made if there is none.

    Raises:
        UnknownTask: There is no task of this name.
        TaskBusy: It has to wait for a slot, or something else is being done to it.
        TerokError: Whatever else keeps it from starting.
    """
    if words:
        task = tasks.find([project, *words])
    else:
        try:
            task = tasks.find([project, NAME])
        except UnknownTask:
            task, ours = tasks.create(project, name=NAME, more={"beside": list(_signed_in())})
            if not ours:
                raise TaskBusy(f"task {tasks.short(task)} waits: {task.reason}", hint="stop another task") from None
            return tasks.carry_out_start(task)
    return task if task.process == "up" else tasks.restart(task)


def _signed_in() -> tuple[str, ...]:
    """Return the agents that an editor may change to, so that the image gets them; none while the vault is shut."""
    from terok.integrations.acp import list_authenticated_agents
    from terok.integrations.executor import AgentRoster

    roster = AgentRoster.shared()
    try:
        names = list_authenticated_agents()
    except TerokError:
        return ()
    return tuple(name for name in names if roster.agent(name).acp is not None)


def project_of(directory: Path, names: Sequence[str], sources: Sequence[str | None]) -> str:
    """Return the project that somebody in a directory means: the one whose repository it is in, or the only one.

    `sources` are the upstreams of the projects `names`.
    """
    places = [str(directory), *(str(parent) for parent in directory.parents)]
    found = [name for name, source in zip(names, sources, strict=True) if source is not None and source in places]
    if len(found) == 1:
        return found[0]
    if len(names) == 1:
        return names[0]
    known = ", ".join(names) or "there is none"
    raise UsageError(f"it is not clear which project is meant: {known}", hint="`terok acp connect PROJECT` names it")
