"""`acp`: editors and the agents of tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from terok_util import TerokError, UsageError, installed_version, show, table

if TYPE_CHECKING:
    from terok.model.task import Task


def connect(project: str | None, task: str | None) -> int:
    """Be the agent of an editor; the task is found, made or started while the editor is answered already."""
    from terok.integrations.acp import connect_found
    from terok.tui.background.opening import command_line

    words = [word for word in (project, task) if word is not None]
    connect_found(command_line(["acp", "start", "--json", *words]), installed_version("terok-acp"))
    return 0


def start(project: str | None, task: str | None, as_json: bool) -> int:
    """Start the task that an editor works in, unless it runs."""
    from terok.services import Tasks
    from terok.services.editor_tasks import task_for_editor

    with Tasks() as tasks:
        chosen = task_for_editor(tasks, project or _project_here(), [task] if task else [])
        short = tasks.short(chosen)
        row = {"task": chosen.id, "name": chosen.name, "project": chosen.project, "container": chosen.container}
        show(row, as_json, f"task {short} ({chosen.name}) runs in {chosen.container}")
    return 0


def list_endpoints(project: str | None, as_json: bool) -> int:
    """Print the running tasks, and whether an editor can work in them."""
    from terok.integrations.acp import socket_path
    from terok.services import Tasks

    with Tasks(create=False) as tasks:
        shorts = tasks.shorts()
        rows: list[dict[str, Any]] = [
            {
                "project": one.project,
                "task": one.id,
                "name": one.name,
                "status": _status(one),
                "agent": one.agent,
                "path": str(socket_path(one.container)),
            }
            for one in tasks.store.tasks()
            if one.process == "up" and project in (None, one.project)
        ]
    lines = [[row["project"], shorts[row["task"]], row["name"], row["status"], row["agent"]] for row in rows]
    show(rows, as_json, table(["PROJECT", "TASK", "NAME", "STATUS", "AGENT"], lines))
    return 0


def probe(task: list[str], agent: str | None, as_json: bool) -> int:
    """Show what an agent of a running task offers."""
    from terok.integrations.acp import show_probe
    from terok.services import Tasks

    with Tasks() as tasks:
        chosen = tasks.find(task)
        if chosen.process != "up":
            short = tasks.short(chosen)
            raise UsageError(f"task {short} does not run", hint=f"start it with `terok task restart {short}`")
        container, wished = chosen.container, agent or chosen.agent
    return show_probe(container, wished, as_json)


def _status(task: Task) -> str:
    from terok.integrations.acp import ACPEndpointStatus, ACPRoster, acp_socket_is_live, socket_path

    if acp_socket_is_live(socket_path(task.container)):
        return str(ACPEndpointStatus.ACTIVE.value)
    try:
        able = bool(ACPRoster(task.container).agents())
    except TerokError:
        return "unknown"  # Podman or the vault did not say
    return str((ACPEndpointStatus.READY if able else ACPEndpointStatus.UNSUPPORTED).value)


def _project_here() -> str:
    from terok.config import Project
    from terok.services.editor_tasks import project_of
    from terok.services.projects import Projects

    usable = [one for one in Projects().all() if isinstance(one, Project)]
    return project_of(Path.cwd(), [one.name for one in usable], [one.git.upstream for one in usable])
