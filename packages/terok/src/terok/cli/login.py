"""`login` and `attach`: a terminal in a task's container, or its output."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from terok_util import UsageError, may_ask
from terok_util.process import exec_replace

from terok.cli.following import Output, close, detach_on_hangup
from terok.services import Tasks
from terok.services.task_ends import LONGEST

if TYPE_CHECKING:
    from terok.model.task import Task


def login(task: list[str]) -> int:
    """Become a terminal in the container of a task that runs."""
    with Tasks() as tasks:
        return open_terminal(tasks, tasks.find(task), agent=False)


def attach(task: list[str], raw: bool) -> int:
    """Follow a headless task to its end, or open the terminal of an interactive one; Ctrl-C lets it run on."""
    with Tasks() as tasks:
        chosen = tasks.find(task)
        if chosen.mode != "headless":
            return open_terminal(tasks, chosen)
        detach_on_hangup()
        try:
            output = Output(chosen.agent, raw=raw)
            code = tasks.engine(chosen).follow(chosen.container, output.line, timeout=LONGEST)
            output.end()
        except KeyboardInterrupt:
            print(f"task {tasks.short(chosen)} runs on", file=sys.stderr)
            return 0
        tasks.record_exit(chosen, code, at=time.time())
        return close(tasks, chosen, code, as_json=False)


def open_terminal(tasks: Tasks, task: Task, *, agent: bool = True, started: bool = False) -> int:
    """Become the terminal of a task; without a terminal here say how to open one."""
    short = tasks.short(task)
    if not (may_ask() and sys.stdout.isatty()):
        if started:
            print(f"task {short} runs until `terok task stop {short}`; `terok login {short}` opens it", file=sys.stderr)
            print(task.id)
            return 0
        raise UsageError(
            "there is no terminal here to log in with", hint=f"run it from one; `terok task logs {short}` shows output"
        )
    if task.process != "up":
        raise UsageError(f"task {short} does not run", hint=f"start it with `terok task restart {short}`")
    tasks.seen(task)
    print(f"task {short} stays when you leave: `terok login {short}`", file=sys.stderr)
    command = tasks.engine(task).login_command(
        task.container, agent=agent and task.mode == "interactive", model=task.model or None
    )
    tasks.store.close()
    return exec_replace(command)
