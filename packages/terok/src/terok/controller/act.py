"""A child of the controller: it does one thing about tasks, and then it ends. `python -m terok.controller.act VERB`.

Its only output is a JSON array with its result. Errors of ours are a line on standard error and their exit code.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from terok_util import TerokError, safe_text

from terok.controller.interruptions import RESUMING
from terok.model.facts import Silence
from terok.services import Tasks
from terok.services.retention import tidy
from terok.services.task_starts import GRACE
from terok.store.counting import this_moment


def main(words: list[str]) -> int:
    """Do what `words` say, print its result, and return the exit code."""
    verb, *rest = words
    try:
        with Tasks(say=_say) as tasks:
            json.dump([_VERBS[verb](tasks, *rest)], sys.stdout)
    except TerokError as error:
        _say(error.message)
        return error.exit_code
    return 0


def _probe(tasks: Tasks, *ids: str) -> None:
    """Ask the engine about tasks, and record its answer."""
    known = {task.id: task for task in tasks.store.tasks(trashed=True) if task.id in ids}
    for engine in {task.engine for task in known.values()}:
        containers = {task.id: task.container for task in known.values() if task.engine == engine}
        facts = tasks.engine(known[next(iter(containers))]).probe(containers)
        with tasks.store.write() as writer:
            for task_id, fact in facts.items():
                if isinstance(fact, Silence):
                    writer.observe(task_id, known[task_id].started, silence=fact)
                else:
                    writer.observe(task_id, known[task_id].started, process=fact, silence=None)


def _start(tasks: Tasks, task_id: str) -> None:
    """Start a queued task, or go on with one whose run has ended."""
    task = tasks.store.task(task_id)
    if task.started is None:
        tasks.start(task_id)
    else:
        tasks.restart(task)


def _resume(tasks: Tasks, task_id: str) -> None:
    """Take a task up again whose run was cut off, and record that; a try that began no run counts for nothing.

    One in which a person works may come back although all slots are taken: it waits for that person.
    """
    task = tasks.store.task(task_id)
    try:
        tasks.restart(task, admitted=task.mode != "headless")
    finally:
        with tasks.store.write() as writer:
            if writer.task(task_id).started != task.started:
                writer.event(task_id, RESUMING)


def _recover(tasks: Tasks, task_id: str) -> None:
    tasks.recover(task_id)


def _record(tasks: Tasks, task_id: str) -> bool:
    """Record the end of a run that the engine tells of, also that its container is gone, unless it is just made."""
    _probe(tasks, task_id)  # which knows when it ended, and with what
    task, facts = tasks.store.task(task_id), tasks.store.facts(task_id)
    process = facts.process
    gone = process is not None and process.word == "gone" and (task.desired != "running" or facts.launch is None)
    if task.ended is not None or process is None or not (gone or process.word == "exited"):
        return False
    return tasks.record_exit(task, process.exit_code, at=process.since)


def _stop(tasks: Tasks, task_id: str) -> bool:
    """Stop a task that runs on although it was to stop, as after whoever stopped it was killed."""
    task = tasks.store.task(task_id)
    if task.desired == "running":
        return False
    if task.desired == "stopped":
        tasks.stop(task, by=task.stopped_by or "a person")
    else:
        tasks.engine(task).stop(task.container, GRACE)
        _record(tasks, task_id)
    return True


def _pushed(tasks: Tasks, task_id: str) -> None:
    """Record what a task that still runs has in the gate."""
    task = tasks.store.task(task_id)
    pushed = tasks.pushed(task)
    with tasks.store.write() as writer:
        writer.observe(task_id, task.started, pushed=pushed)


def _deliver(tasks: Tasks, task_id: str) -> bool:
    return tasks.deliver_next(tasks.store.task(task_id)) is not None


def _check(tasks: Tasks, task_id: str) -> None:
    """Run the check of an attempt of a race, and keep its outcome."""
    from terok.services.race_checks import run_check

    run_check(tasks, task_id)


def _settings(tasks: Tasks) -> dict[str, Any]:
    """Return the settings that the controller goes by."""
    from terok.config import BrokenProject, list_projects, load_project, load_settings
    from terok.integrations.sandbox import SandboxConfig

    SandboxConfig.load()  # kept for the controller, which then need not parse it
    settings = load_settings()
    limits = tasks.limits()
    sound = [one.name for one in list_projects() if not isinstance(one, BrokenProject)]
    projects = {name: load_project(name).tasks for name in sound}
    return {
        "total": limits.total,
        "per_project": limits.per_project,
        "projects": {name: own.project_slots for name, own in projects.items()},
        "waits": {name: own.wait_for_limit for name, own in projects.items()},
        "disk_floor": limits.disk_floor,
        "resume": settings.tasks.resume,
        "keep_awake": settings.controller.keep_awake,
        "desktop": settings.notify.desktop,
        "command": settings.notify.command,
        "states": settings.notify.states,
    }


def _tidy(tasks: Tasks) -> float | None:
    """Let expire what is due, and return when the next thing is."""
    return tidy(tasks, this_moment())


def _say(line: str) -> None:
    with suppress(OSError):  # the controller that listened was killed: what was begun goes on
        sys.stderr.write(safe_text(line, limit=500) + "\n")


_VERBS: Final[dict[str, Callable[..., Any]]] = {
    "probe": _probe,
    "start": _start,
    "stop": _stop,
    "record": _record,
    "pushed": _pushed,
    "deliver": _deliver,
    "check": _check,
    "resume": _resume,
    "recover": _recover,
    "settings": _settings,
    "tidy": _tidy,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
