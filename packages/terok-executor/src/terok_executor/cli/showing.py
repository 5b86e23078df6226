"""Printing what an agent does, for a person at a terminal, a file, or a program."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TextIO

from terok_util import show_row

from terok_executor.transcript.event import TranscriptEvent
from terok_executor.transcript.render import render_event


def event_printer(stream: TextIO, *, as_json: bool = False) -> Callable[[TranscriptEvent], None]:
    """Return a function that prints events as they come: in color on a terminal unless NO_COLOR is set.

    As JSON, one event is one line of standard output, with the parts that it has.
    """
    color = stream.isatty() and not os.environ.get("NO_COLOR")

    def show(event: TranscriptEvent) -> None:
        if as_json:
            show_row(event.parts(), as_json, "")
            return
        for line in render_event(event, color=color):
            stream.write(f"{line}\n")
        stream.flush()

    return show
