"""The conversation of a run: its output as events, and its id."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace

from terok_executor.launch.task_files import load_record, save_record
from terok_executor.paths import task_dir
from terok_executor.reports.file import first_session
from terok_executor.reports.report import checked_session
from terok_executor.roster.roster import AgentRoster
from terok_executor.transcript.event import TranscriptEvent
from terok_executor.transcript.reader import TranscriptReader

_CHUNK = 64 * 1024


class Conversation:
    """Reads the output of a run as events, and keeps the id of its conversation when it first comes by.

    Without a record of the run, or with one of a tool, each line is a message.
    """

    def __init__(self, name: str, roster: AgentRoster) -> None:
        record = load_record(task_dir(name))
        agent = roster.agents.get(record.agent) if record is not None else None
        self._name = name
        self._reader = TranscriptReader(agent)
        self._known = record is None or bool(record.session)

    @property
    def known(self) -> bool:
        """Whether the id of the conversation is kept, so that nothing more is to be found out."""
        return self._known

    def feed(self, data: bytes) -> list[TranscriptEvent]:
        """Add the next bytes and return the events that they complete."""
        events = self._reader.feed(data)
        if not self._known and self._reader.session:
            self._known = True
            keep_session(self._name, self._reader.session)
        return events

    def end(self) -> list[TranscriptEvent]:
        """Return the events of a last line without an end."""
        return self._reader.end()

    def line_handler(self, on_event: Callable[[TranscriptEvent], None]) -> Callable[[str], None]:
        """Return a function that takes lines of the output and calls `on_event`."""

        def take(line: str) -> None:
            for event in self.feed(line.encode("utf-8", "surrogateescape") + b"\n"):
                on_event(event)

        return take

    def read(self, source: int) -> Iterator[TranscriptEvent]:
        """Yield the events in what a descriptor gives until its end."""
        while data := os.read(source, _CHUNK):
            yield from self.feed(data)
        yield from self.end()


def keep_session(name: str, session: str) -> str:
    """Note the id of a run's conversation unless one is noted already; return the one that counts, "" if none does."""
    record = load_record(task_dir(name))
    if record is None:
        return ""
    if not record.session and (checked := checked_session(session)):
        record = replace(record, session=checked)
        save_record(task_dir(name), record)
    return record.session


def session_of(name: str) -> str:
    """Return the id of a run's conversation, as noted or as reported first; "" if it is not known."""
    return keep_session(name, first_session(task_dir(name)))
