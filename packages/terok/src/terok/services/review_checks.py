"""Checks: a person's command, run on a commit of a task, with its result and output kept beside the commit.

It runs in a container of its own, made of the task's image: what the agent has left running in its container, or has
changed there, says nothing about the commit, and a check does not disturb the agent. It has the task's variables,
limits and allowed destinations, and no credential.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from terok_util import TerokError, UsageError, safe_text

from terok.engines.values import Command
from terok.errors import TaskError
from terok.model.kept_output import KeptOutput
from terok.store.reviewing import begin_check, check_runs, end_check

if TYPE_CHECKING:
    from collections.abc import Callable

    from terok.model.review import CheckRun, CheckState
    from terok.model.task import Task
    from terok.services.task_launches import TaskLaunches

CHECK_SECONDS: Final = 1800
MOST_OUTPUT: Final = 16 * 1024 * 1024
"""Characters after which a check is ended: it is not going to say anything."""
_OPTIONS: Final = ("env", "memory", "cpus", "gpus", "opt_outs", "unrestricted", "runtime")


class _Flood(Exception):
    """Ends a check that prints without end."""


def run_check(
    tasks: TaskLaunches,
    task: Task,
    branch: str,
    tip: str,
    command: str,
    *,
    timeout: int = CHECK_SECONDS,
    on_line: Callable[[str], None] | None = None,
) -> CheckRun:
    """Run a command on commit `tip` of a task's branch to its end, or for `timeout` seconds, and keep its result.

    `on_line` is given its output as it comes, as safe text. A command that fails is a result and no error.

    Raises:
        UsageError: The command is empty.
        TerokError: The check could not be run; it is recorded as broken off, with the reason as its output.
    """
    if not command.strip() or "\0" in command:
        raise UsageError("the check is empty", hint="name a command of the shell: `--check 'make test'`")
    with tasks.store.write() as writer:
        number = begin_check(writer, task.id, branch, tip, command)
    kept = KeptOutput()

    def take(line: str) -> None:
        shown = safe_text(line)
        kept.add(shown)
        if on_line is not None:
            on_line(shown)
        if kept.total > MOST_OUTPUT:
            raise _Flood

    state: CheckState = "broken off"
    code = None
    try:
        code = tasks.engine(task).run_command(_launch(tasks, task, branch, tip, command, timeout), take)
        state = "timed out" if code is None else "passed" if code == 0 else "failed"
    except _Flood:
        state = "too much output"
    except TerokError as error:
        kept.add(f"terok: {error.message}")
        raise
    finally:
        with tasks.store.write() as writer:
            end_check(writer, number, state, code, *kept.text())
    return next(one for one in check_runs(tasks.store, task.id, tip) if one.id == number)


def _launch(tasks: TaskLaunches, task: Task, branch: str, tip: str, command: str, timeout: int) -> Command:
    from terok.config import sandbox_config

    if not task.scope:
        raise TaskError(f"task {task.id} has no gate, so there is no commit to check", hint="run it with a repository")
    request = tasks.store.request(task.id)
    project = tasks.project(task)
    return Command(
        container=f"{task.container}-check",
        task_container=task.container,
        scope=task.scope,
        commit=tip,
        branch=branch,
        command=command,
        timeout=timeout,
        config=sandbox_config(project),
        allow=tuple(request.get("allow") or ()),
        profiles=None if request.get("profiles") is None else tuple(request["profiles"]),
        options={name: request[name] for name in _OPTIONS if request.get(name) is not None},
    )
