"""Staying with a task until it ends: its output, then the closing words."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from terok_util import TerokError, safe_text, show

from terok.integrations.executor import TranscriptReader, render_event
from terok.services.closing import closing_words

if TYPE_CHECKING:
    from terok.integrations.executor import TranscriptEvent
    from terok.model.task import Task
    from terok.services import Tasks

_MAX_LINE = 16384


def detach_on_hangup() -> None:
    """Leave at SIGHUP and SIGTERM with what is under way unwound; an ignored signal (`nohup`) stays ignored."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


class Output:
    """Prints the output of a task: what its agent says and does, or `raw` lines; beside JSON on standard error."""

    def __init__(self, agent: str | None, *, raw: bool = False, as_json: bool = False) -> None:
        self.as_json = as_json
        self._raw = raw
        self._stream = sys.stderr if as_json else sys.stdout
        self._color = self._stream.isatty() and not os.environ.get("NO_COLOR")
        self._reader = TranscriptReader(agent)

    def line(self, text: str) -> None:
        """Take one line of the output."""
        if self._raw:
            self._write([safe_text(text, limit=_MAX_LINE) if self._stream.isatty() else text])
        else:
            self._show(self._reader.feed(text.encode("utf-8", "surrogateescape") + b"\n"))

    def end(self) -> None:
        """Print what is left of a last line."""
        self._show(self._reader.end())

    def _show(self, events: Iterable[TranscriptEvent]) -> None:
        self._write(line for event in events for line in render_event(event, color=self._color))

    def _write(self, lines: Iterable[str]) -> None:
        self._stream.writelines(f"{line}\n" for line in lines)
        self._stream.flush()


def close(tasks: Tasks, task: Task, code: int, *, as_json: bool) -> int:
    """Print what a run has brought; returns its exit code."""
    task = tasks.store.task(task.id)
    short = tasks.short(task)
    try:
        result = tasks.result(task)
    except TerokError as error:
        print(f"task {short} ended with exit code {code}; its result cannot be read: {error.message}", file=sys.stderr)
        return code
    if as_json:
        show({"task": task.id, "name": task.name, "result": result}, as_json, "")
    else:
        words = closing_words(result, short=short, name=task.name, stopped=task.word == "stopped")
        print("\n".join(map(safe_text, words)), file=sys.stderr)
    tasks.seen(task)
    return code
