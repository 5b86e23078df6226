"""`review|promote|reject` by task, branch or commit."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from terok_util import UsageError, safe_text, show, table

from terok.integrations.sandbox import GateError
from terok.services.gates import Gates
from terok.services.tasks_base import TaskBase

if TYPE_CHECKING:
    from terok.services.promotions import Promoted


def review(
    what: str | None,
    branch: str | None,
    project: str | None,
    as_json: bool,
    sarif: str | None,
    since_last: bool,
    files: list[str] | None,
    split: bool,
    words: bool,
    ignore_space: bool,
    syntax: bool,
    **action: Any,
) -> int:
    """Show what a task, branch or commit brings, and record that it was seen; without one list what waits.

    `action` may hold something else that is to be done about it: a comment, a check, a mark.
    """
    chosen = {name: value for name, value in action.items() if value not in (None, False) and name != "timeout"}
    if what is None:
        _refuse_without_task(chosen, since_last=since_last, files=files, sarif=sarif)
        with TaskBase(create=False) as tasks:
            return _list(tasks, Gates(tasks), project, as_json=as_json)
    if chosen:
        from terok.cli.review_actions import act

        return act(what, branch, project, chosen, timeout=action["timeout"], as_json=as_json)
    from terok.cli.review_show import show_look, write_sarif
    from terok.services.review_look import look_at, record_look

    with TaskBase(create=False) as tasks:  # a look starts sooner without all that can be done to tasks
        gates = Gates(tasks)
        work = gates.find(what, branch=branch, project=project)
        gate = gates.mirrored(work.scope)
        with hints_named(work.scope, work.branch, what):
            look = look_at(tasks.store, gate, work, since_last=since_last, ignore_space=ignore_space, paths=files or ())
            if sarif is not None:
                write_sarif(Path(sarif), look.seen.report)
            show_look(look, what, as_json=as_json, files=files, split=split, words=words, syntax=syntax)
            record_look(tasks.store, gate, look)
    if work.others and not as_json:
        print(f"also of this task: {', '.join(map(safe_text, work.others))}", file=sys.stderr)
    return 0


def _refuse_without_task(chosen: dict[str, Any], **asked: Any) -> None:
    named = next((name for name, value in {**chosen, **asked}.items() if value), None)
    if named is not None:
        option = {"files": "file"}.get(named, named).replace("_", "-")
        raise UsageError(f"--{option} is about one task", hint="name it: `terok review TASK …`")


def promote(
    what: list[str],
    branch: str | None,
    project: str | None,
    archive: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Send what was reviewed upstream, and archive its tasks if asked to."""
    from terok_util import Progress

    from terok.services import Reviews, Tasks

    with Progress() as say, Tasks(say=say) as tasks:
        reviews = Reviews(tasks)
        works = [reviews.find(word, branch=branch, project=project) for word in what]
        over = reviews.archivable(works) if archive else []
        with hints_named(works[0].scope, works[0].branch, what[0]):
            done = reviews.promote(works, **options)
        say.clear()
        archived = [tasks.archive(task) for task in over]
        show(_promoted(done) | {"archived": [task.id for task in over]}, as_json, _promoted_lines(done))
        if archived and not as_json:
            print(f"archived: {', '.join(tasks.short(task) for task in over)}")
    return 0


def _promoted(done: Promoted) -> dict[str, Any]:
    return {
        "branch": safe_text(done.branch),
        "target": safe_text(done.target),
        "upstream": safe_text(done.upstream),
        "sent": done.operation is not None,
        "operation": done.operation,
        "pull_request": done.pull_request,
    }


def _promoted_lines(done: Promoted) -> Iterator[str]:
    if done.operation is not None:
        undo = f"; `terok undo {done.operation}` takes it back"
        yield safe_text(f"{done.branch} is now {done.target} of {done.upstream}{undo}")
    if done.pull_request is not None:
        yield safe_text(f"pull request {done.pull_request}")
    if done.moved is not None:
        yield f"{done.moved.target} has got {done.moved.commits} commits upstream since the work began"
        if done.moved.files:
            yield f"both change {', '.join(done.moved.files)}"


def reject(what: str, branch: str | None, project: str | None, note: str, archive: bool, as_json: bool) -> int:
    """Turn work down, and archive its task if asked to."""
    from terok.services import Reviews, Tasks

    with Tasks() as tasks:
        reviews = Reviews(tasks)
        work = reviews.find(what, branch=branch, project=project)
        over = reviews.archivable([work]) if archive else []
        number = reviews.reject(work, note)
        for task in over:
            tasks.archive(task)
        when = "and its task is archived" if over else "the agent reads why with its next follow-up or push"
        said = f"{work.branch} of {work.scope} is rejected; {when}; `terok undo {number}`"
        show({"branch": safe_text(work.branch), "scope": work.scope, "operation": number}, as_json, said)
    return 0


def _list(tasks: TaskBase, gates: Gates, project: str | None, *, as_json: bool) -> int:
    found, failed = gates.waiting(project)
    for error in failed:
        print(safe_text(f"note: {error.message}"), file=sys.stderr)
    short = tasks.shorts()
    names = {task: name for scope in {one.scope for one in found} for task, (name, _) in gates.tasks_of(scope).items()}
    rows = [
        {
            "task": one.task,
            "name": names.get(one.task, ""),
            "project": one.scope,
            "branch": safe_text(one.branch),
            "tip": one.work.tip,
            "commits": one.work.commits,
            "findings": one.work.flags,
            "state": one.work.state,
            "note": safe_text(one.work.note),
        }
        for one in found
        if one.work is not None
    ]
    keys = ("state", "task", "name", "project", "branch", "commits", "findings", "note")
    cells = [[short.get(str(row["task"]), "") if key == "task" else row[key] for key in keys] for row in rows]
    lines = table([key.upper() for key in keys], cells) if rows else "nothing waits for review"
    show(rows, as_json, lines)
    return 1 if failed else 0


@contextmanager
def hints_named(scope: str, branch: str, what: str) -> Iterator[None]:
    """Let the hints of the gate's errors name the commands that a person has typed here."""
    try:
        yield
    except GateError as error:
        error.hint = _hint(error.hint, scope, branch, what)
        raise


def _hint(hint: str | None, scope: str, branch: str, what: str) -> str | None:
    if hint is None:
        return None
    for verb in ("review", "promote", "reject"):
        hint = hint.replace(f"terok-sandbox gate {verb} {scope} {branch}", f"terok {verb} {what}")
        hint = hint.replace(f"terok-sandbox gate {verb}", f"terok {verb}")
    return hint.replace("terok-sandbox", "terok sandbox")
