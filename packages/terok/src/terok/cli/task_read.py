"""`task list|show|status|why|wait`: what is recorded, judged anew where time has passed."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from terok_util import UsageError, did_you_mean, show, table

from terok.cli.task_rows import TITLES, age, document, label, ordered, rows
from terok.model.words import GLYPHS, STATES
from terok.services.tasks_base import TaskBase

if TYPE_CHECKING:
    from collections.abc import Iterable

    from terok.model.state import TaskState
    from terok.model.task import Task

_TIMED_OUT = 124
_OVER = 20
"""How many tasks that are over a list without a filter has."""
_LOOK = 0.2
"""Seconds between two looks at tasks that somebody waits for: time alone changes a state too, without an event."""


def list_tasks(terms: list[str], everything: bool, as_json: bool) -> int:
    """Print the tasks that meet a filter, those that need a person first; of those that are over the newest."""
    now = time.time()
    with TaskBase(create=False) as tasks:
        found = [task for task in tasks.store.tasks(trashed=everything) if everything or task.archived is None]
        short = tasks.shorts()
    if terms:
        from terok.model.filter import matches, parse_filter

        query = parse_filter(" ".join(terms))
        found = [task for task in found if matches(query, task, now)]
    chosen = ordered(found)
    if as_json:
        show_rows(document(task, short[task.id]) for task in chosen)
        return 0
    if not chosen:
        show(None, False, "no task meets the filter" if terms else "no task yet: `terok task run PROJECT` starts one")
        return 0
    left = [] if terms or everything else [task for task in chosen if task.group == "over"][_OVER:]
    show(None, False, table(TITLES, rows(chosen[: len(chosen) - len(left)], short, now)))
    if left:
        show(None, False, f"and {len(left)} older ones that are over: `terok task list s:over`")
    return 0


def show_rows(found: Iterable[dict[str, Any]]) -> None:
    """Print JSON objects as one array, each on a line of its own: `json` takes ten times as long to indent many."""
    lines = ",\n".join(map(json.dumps, found))
    sys.stdout.write(f"[\n{lines}\n]\n" if lines else "[]\n")


def show_task(task: list[str], as_json: bool) -> int:
    """Print everything that is recorded about a task."""
    now = time.time()
    with TaskBase(create=False) as tasks:
        chosen = tasks.find(task, trashed=True)
        short, request = tasks.short(chosen), tasks.store.request(chosen.id)
        waiting = [one for one in tasks.store.follow_ups(chosen.id) if one.state == "written"]
        directory = str(tasks.trash(chosen) if chosen.trashed is not None else tasks.directory(chosen))
    rest = {"request": request, "follow_ups": waiting, "directory": directory}
    lines = [
        f"{chosen.project}/{chosen.name}  {short} ({chosen.id})",
        f"  state      {label(chosen.word)} for {age(now - chosen.since)}: {chosen.reason}",
        f"  agent      {chosen.agent}" + (f" with {chosen.provider}" if chosen.provider else ""),
        f"  mode       {chosen.mode}, container {chosen.container}",
        f"  branch     {chosen.branch or 'none'}",
        f"  workspace  {directory}/workspace",
        f"  created    {age(now - chosen.created)} ago" + _times(chosen, now),
        *([f"  cost       ${chosen.cost:.4f}"] if chosen.cost is not None else []),
        *([f"  prompt     {chosen.prompt}"] if chosen.prompt else []),
        *(f"  follow-up  {one.id}: {one.text}" for one in waiting),
    ]
    show(document(chosen, short) | rest, as_json, lines)
    return 0


def status(task: list[str], as_json: bool) -> int:
    """Print one line about what a task is doing."""
    with TaskBase(create=False) as tasks:
        chosen = tasks.find(task, trashed=True)
        state, short = tasks.store.state(chosen.id), tasks.short(chosen)
    said = f"{short}  {label(state.word)} for {age(time.time() - state.since)}: {state.evidence[0].text}"
    show({"task": chosen.id, **_state(state)}, as_json, said)
    return 0


def why(task: list[str], as_json: bool) -> int:
    """Print all that speaks for a task's state, and until when it does."""
    now = time.time()
    with TaskBase(create=False) as tasks:
        chosen = tasks.find(task, trashed=True)
        state, short, last = tasks.store.state(chosen.id), tasks.short(chosen), tasks.store.last_seq()
        told = tasks.store.events_after(0, last, task=chosen.id, kind="start_failed")
    lines = [f"{short} ({chosen.name}) is {label(state.word)} {GLYPHS[state.word]} for {age(now - state.since)}"]
    lines += [f"  it could not be started: {one.data.get('error')}" for one in told[-1:] if state.word == "failed"]
    for proof in state.evidence:
        claim = " (claimed)" if proof.claim else ""
        lines.append(f"  {label(proof.word):10} {age(now - proof.at):>4} ago  {proof.source}: {proof.text}{claim}")
    doubt = f"; doubted in {age(state.doubt_at - now)}" if state.doubt_at is not None else ""
    lines.append(f"  the container is {state.process}{doubt}")
    show({"task": chosen.id, **_state(state)}, as_json, lines)
    return 0


def wait(tasks: list[str], until: str, timeout: int | None, as_json: bool) -> int:
    """Wait until each of the tasks is in a state or group, and print where they are; 124 if the time runs out.

    A run that has ended is over, also while its commits wait for review.
    """
    if until not in STATES:
        hint = did_you_mean(until, STATES, f"use one of {', '.join(STATES)}")
        raise UsageError(f"there is no state {until[:40]!r}", hint=hint)
    deadline = time.monotonic() + timeout if timeout is not None else None
    with TaskBase(create=False) as service:
        now, _ = service.choose(tasks)
        if not all(_is_in(task, until) for task in now):
            service.wake_controller()  # which records the end of what nobody follows
        while late := not all(_is_in(task, until) for task in now):
            if deadline is not None and time.monotonic() > deadline:
                break
            time.sleep(_LOOK)
            now = [service.store.task(task.id) for task in now]
        short = service.shorts()
    lines = [f"{short[task.id]}  {label(task.word)}: {task.reason}" for task in now] or "no task meets the filter"
    show([document(task, short[task.id]) for task in now], as_json, lines)
    return _TIMED_OUT if late else 0


def _is_in(task: Task, until: str) -> bool:
    # A run without a person brings its work before its end is recorded: what is waited for is both.
    if until in ("review", "over") and task.mode == "headless" and task.started is not None and task.ended is None:
        return False
    over = until == "over" and task.ended is not None and task.process != "up"
    return over or until in (task.word, task.group) or until in task.also.split()


def _times(task: Task, now: float) -> str:
    text = f", started {age(now - task.started)} ago" if task.started is not None else ""
    if task.ended is None:
        return text
    code = f" with exit code {task.exit_code}" if task.exit_code is not None else ""
    return f"{text}, ended {age(now - task.ended)} ago{code}"


def _state(state: TaskState) -> dict[str, Any]:
    """Return a state as JSON values."""
    rows = [
        {
            "word": one.word,
            "at": one.at,
            "source": one.source,
            "text": one.text,
            "claim": one.claim,
        }
        for one in state.evidence
    ]
    return {
        "word": state.word,
        "group": state.group,
        "glyph": state.glyph,
        "process": state.process,
        "since": state.since,
        "doubt_at": state.doubt_at,
        "unread": state.unread,
        "also": list(state.also),
        "evidence": rows,
    }
