"""`task timeline`: what has happened to a task, from all walls, its output and the database."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from terok_util import UsageError, show, table

from terok.model.timeline import KINDS
from terok.services.tasks_base import TaskBase
from terok.services.timeline import timeline as gather

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from terok.model.task import Task
    from terok.model.timeline import Chain, Entry, Timeline


def timeline(
    task: list[str], kinds: list[str] | None, since: str | None, tail: int | None, export: str | None, as_json: bool
) -> int:
    """Print the timeline of a task, the oldest first, or its spans or findings in the form of other programs."""
    if export is not None and (kinds or since or tail is not None):
        raise UsageError("an export is whole", hint="leave out --kind, --since and --tail")
    begin = _begin(since) if since is not None else None
    with TaskBase(create=False) as tasks:
        chosen = tasks.find(task, trashed=True)
        if export is not None:
            show(_exported(tasks, chosen, export), True, "")
            return 0
        found = gather(tasks, chosen, kinds=_known(kinds or ()), since=begin, tail=tail)
    rows = [one._asdict() for one in found.entries]
    chains = [one._asdict() for one in found.chains]
    document = {"task": chosen.id, "left_out": found.left_out, "chains": chains, "entries": rows}
    show(document, as_json, _lines(found, whole=tail is None))
    if not as_json:
        _say_doubts(found.chains)
    return 0


def _begin(since: str) -> float:
    from datetime import datetime

    from terok.model.span import parse_time

    return datetime.fromisoformat(parse_time(since, time.time())).timestamp()


def _known(kinds: Iterable[str]) -> list[str]:
    asked = [kind for text in kinds for kind in text.split(",")]
    for kind in asked:
        if kind not in KINDS:
            raise UsageError(f"there is no kind {kind[:40]!r}", hint=f"use {', '.join(KINDS)}")
    return asked


def _exported(tasks: TaskBase, task: Task, form: str) -> dict[str, Any]:
    from terok_util import installed_version

    version = installed_version("terok")
    if form == "sarif":
        from terok.services.findings import findings_document

        return findings_document(tasks, task, version=version)
    from terok.model.otlp import spans_document

    return spans_document(task, gather(tasks, task).entries, version=version)


def _lines(found: Timeline, *, whole: bool) -> Iterator[str]:
    if found.left_out and whole:
        yield "older entries are left out"
    cells = [(_clock(one), one.kind, one.text) for one in found.entries]
    yield from table(("WHEN", "WHAT", "DETAILS"), cells) if cells else ("nothing",)


def _clock(entry: Entry) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.at))


def _say_doubts(chains: Iterable[Chain]) -> None:
    """Say on standard error which logs are not what was written; they are shown all the same."""
    for chain in chains:
        if not chain.ok:
            print(f"warning: the {chain.log} audit log is broken: {chain.problems[0]}", file=sys.stderr)
