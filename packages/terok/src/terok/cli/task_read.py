"""`task list|show|status|why`: what is recorded, judged anew where time has passed."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from terok_util import show, table

from terok.cli.task_rows import TITLES, age, document, label, ordered, rows
from terok.model.words import GLYPHS
from terok.services.tasks_base import TaskBase

if TYPE_CHECKING:
    from collections.abc import Iterable

    from terok.model.state import TaskState
    from terok.model.task import Task

_OVER = 20
"""How many tasks that are over a list without a filter has."""


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
    mark = "[\n"
    for row in found:
        sys.stdout.write(mark + json.dumps(row))
        mark = ",\n"
    sys.stdout.write("\n]\n" if mark != "[\n" else "[]\n")


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
