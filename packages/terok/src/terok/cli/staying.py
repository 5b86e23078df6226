"""Staying with a task as its mode asks for: its output, its terminal, or the address of its page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from terok_util import show

from terok.cli.following import Output, close
from terok.cli.login import open_terminal
from terok.integrations.executor import AgentRunner

if TYPE_CHECKING:
    from terok.model.task import Task
    from terok.services import Tasks


def finish(tasks: Tasks, task: Task, output: Output) -> int:
    """Stay with a task as its mode asks for; returns the agent's exit code, 0 for one that runs on."""
    if task.mode == "web":
        url = AgentRunner().web_url(task.container)
        short = tasks.short(task)
        print(f"task {short} serves until `terok task stop {short}`", file=sys.stderr)
        show({"task": task.id, "url": url}, output.as_json, url)
        return 0
    if task.mode == "interactive":
        return open_terminal(tasks, task, started=True)
    code = tasks.follow(task, output.line)
    output.end()
    return close(tasks, task, code, as_json=output.as_json)
