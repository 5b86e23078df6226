"""`task run`, `task new` and `task followup`: from a prompt to the closing words."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

from terok_util import Progress, TerokError, UsageError, show

from terok.cli.following import Output, detach_on_hangup
from terok.cli.staying import finish
from terok.cli.task_options import overrides, read_prompt, request_fields
from terok.cli.task_rows import document
from terok.services import Tasks

_WRONG = frozenset({2, 3, 5, 78})
"""Exit codes of errors that say that the request could not be met at all: such a task has never been one."""


def run(
    project: str,
    prompt: str | None,
    prompt_file: str | None,
    mode: str | None,
    name: str | None,
    preset: str | None,
    after: list[str] | None,
    detach: bool,
    raw: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Start a task and stay with it; returns the agent's exit code, 0 for a task that runs on."""
    text = read_prompt(prompt, prompt_file)
    if not project:
        raise UsageError("a project is needed", hint="see `terok project list`")
    detach_on_hangup()
    with Progress() as say, Tasks(say=say) as tasks:
        task, ours = tasks.create(
            project,
            text,
            mode=mode,
            name=name,
            preset=preset,
            overrides=overrides(options),
            more=request_fields(options),
            after=after or (),
        )
        short = tasks.short(task)
        if not ours:
            show(document(task, short), as_json, f"task {short} ({task.name}) waits: {task.reason}")
            return 0
        try:
            task = tasks.carry_out_start(task)
        except TerokError as error:
            if error.exit_code in _WRONG:
                with suppress(TerokError):
                    tasks.forget(task)
            raise
        say.clear()
        print(f"task {short} ({task.name}) runs in {task.container}", file=sys.stderr)
        if detach:
            show(document(task, short), as_json, _leads(short, task.mode))
            return 0
        return finish(tasks, task, Output(task.agent, raw=raw, as_json=as_json))


def new(
    project: str,
    prompt: str | None,
    prompt_file: str | None,
    name: str | None,
    preset: str | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Record a task and print it."""
    text = read_prompt(prompt, prompt_file)
    with Tasks() as tasks:
        task, _ = tasks.create(
            project,
            text,
            name=name,
            preset=preset,
            overrides=overrides(options),
            more=request_fields(options),
            start=False,
        )
        short = tasks.short(task)
        show(document(task, short), as_json, f"task {short} ({task.name}); `terok task restart {short}` starts it")
    return 0


def followup(
    task: str,
    prompt: str | None,
    prompt_file: str | None,
    shown: bool,
    edit: int | None,
    take_back: int | None,
    detach: bool,
    raw: bool,
    as_json: bool,
) -> int:
    """Write, list, edit or take back follow-ups; one that can start at once does, and is followed."""
    text = read_prompt(prompt, prompt_file)
    if shown or take_back is not None:
        if text is not None or edit is not None or (shown and take_back is not None):
            raise UsageError("one thing at a time", hint="leave out the prompt, or --list, --edit and --take-back")
        return _change(task, take_back, as_json=as_json)
    if text is None:
        raise UsageError("the next prompt is missing", hint=f'say what to do: `terok task followup {task} "…"`')
    detach_on_hangup()
    with Progress() as say, Tasks(say=say) as tasks:
        chosen = tasks.find(task)
        if edit is not None:
            tasks.edit(chosen, edit, text)
            show({"id": edit}, as_json, f"follow-up {edit} is changed")
            return 0
        number = tasks.follow_up(chosen, text)
        delivered = tasks.deliver_next(chosen) if chosen.ended is not None else None
        say.clear()
        if delivered is None or detach:
            said = "is delivered" if delivered else "waits until the task has ended its turn"
            show({"id": number, "delivered": delivered is not None}, as_json, f"follow-up {number} {said}")
            return 0
        return finish(tasks, tasks.store.task(chosen.id), Output(chosen.agent, raw=raw, as_json=as_json))


def _change(word: str, take_back: int | None, *, as_json: bool) -> int:
    with Tasks() as tasks:
        chosen = tasks.find(word)
        if take_back is not None:
            tasks.take_back(chosen, take_back)
            show({"id": take_back}, as_json, f"follow-up {take_back} is taken back")
            return 0
        waiting = tasks.waiting(chosen)
        lines = [f"{one.id}  {one.text}" for one in waiting] or "nothing waits"
        show(waiting, as_json, lines)
    return 0


def _leads(short: str, mode: str) -> str:
    verb = "task logs -f" if mode == "headless" else "login"
    return f"`terok {verb} {short}` looks on, `terok task wait {short}` waits"
