"""`task logs|diff|audit`: what a task has said, changed and tried."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from terok_util import TerokError, UsageError, read_file, safe_text, show, show_row, table

from terok.cli.following import Output
from terok.integrations.executor import TranscriptReader
from terok.paths import OUTPUT
from terok.services import Tasks

if TYPE_CHECKING:
    from pathlib import Path

    from terok.model.task import Task

_MAX_OUTPUT = 256 * 1024 * 1024
_AUDIT = ("time", "action", "provider", "verdict", "status", "dest", "name", "port", "reason")


def logs(task: list[str], follow: bool, tail: int | None, raw: bool, as_json: bool) -> int:
    """Print the output of a task; of one whose container is gone, what was kept."""
    with Tasks(create=False) as tasks:
        chosen = tasks.find(task, trashed=True)
        agent = chosen.agent if chosen.mode == "headless" else None
        output = EventRows(agent) if as_json else Output(agent, raw=raw)
        line = output.line
        try:
            tasks.engine(chosen).logs(chosen.container, line, follow=follow, tail=tail)
        except TerokError as error:
            kept = _kept(tasks, chosen)
            if kept is None:
                raise
            if follow:
                raise UsageError(f"task {chosen.id} has no container to follow: {error.message}") from None
            for text in kept[-tail:] if tail is not None else kept:
                line(text)
        output.end()
    return 0


class EventRows:
    """Prints the output of a task as JSON, an event a line."""

    def __init__(self, agent: str | None) -> None:
        self._reader = TranscriptReader(agent)

    def line(self, text: str) -> None:
        """Take one line of the output."""
        for event in self._reader.feed(text.encode("utf-8", "surrogateescape") + b"\n"):
            show_row(event.parts(), True, "")

    def end(self) -> None:
        """Print what is left of a last line."""
        for event in self._reader.end():
            show_row(event.parts(), True, "")


def _kept(tasks: Tasks, task: Task) -> list[str] | None:
    """Return the lines of the output that was saved when the container went."""
    place: Path = (tasks.trash(task) if task.trashed is not None else tasks.directory(task)) / OUTPUT
    try:
        return read_file(place, _MAX_OUTPUT).decode("utf-8", "replace").splitlines()
    except OSError:
        return None


def diff(task: list[str], stat: bool, as_json: bool) -> int:
    """Print what has changed: in the workspace of a task that runs, else what it has in the gate."""
    with Tasks(create=False) as tasks:
        chosen = tasks.find(task)
        if chosen.process == "up":
            text = tasks.engine(chosen).diff(chosen.container, ["--stat"] if stat else [])
            source = "workspace"
        else:
            from terok.services.gates import Gates

            gates = Gates(tasks)
            work = gates.of_task(chosen)
            seen = gates.open(work.scope).review(work.branch).review
            text, source = seen.diffstat if stat else f"{seen.diffstat}\n{seen.patch}", work.branch
    if as_json:
        show({"task": chosen.id, "source": source, "diff": safe_text(text, multiline=True)}, as_json, "")
    else:
        sys.stdout.write(safe_text(text, multiline=True))
    return 0


def audit(task: list[str], tail: int | None, as_json: bool) -> int:
    """Print the rows about a task in the audit logs of vault, shield and gate, in the order of their times."""
    with Tasks(create=False) as tasks:
        chosen = tasks.find(task, trashed=True)
    rows = sorted(_audit_rows(chosen.container), key=lambda row: str(row.get("time")))
    shown = rows[-tail:] if tail is not None else rows
    if as_json:
        for row in shown:
            sys.stdout.write(json.dumps(row) + "\n")
        return 0
    cells = [[row.get(key, "") for key in _AUDIT] for row in shown]
    show(None, False, table([key.upper() for key in _AUDIT], cells) if cells else "nothing is recorded")
    return 0


def _audit_rows(container: str) -> Iterator[Mapping[str, Any]]:
    from terok.integrations.sandbox import SandboxConfig, audit_logs, read_audit

    for place in audit_logs(SandboxConfig.load(), container).values() if container else ():
        try:
            yield from islice(read_audit(place), 1_000_000)
        except (OSError, TerokError):
            continue
