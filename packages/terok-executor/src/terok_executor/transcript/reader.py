"""Reads an agent's output, in chunks as they come, into events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache

from terok_util import json_object

from terok_executor.errors import RosterError
from terok_executor.roster.loader import load_transcripts
from terok_executor.roster.roster import AgentRoster
from terok_executor.roster.transcript_format import Speaker, TranscriptFormat
from terok_executor.roster.types import Agent
from terok_executor.transcript.event import TranscriptEvent
from terok_executor.transcript.lines import BoundedLines
from terok_executor.transcript.rules import MAX_NAME, MAX_TEXT, events_in, first, text_of

MAX_EVENTS = 200_000
MAX_OPEN_CALLS = 1000
LEFT_OUT = "the rest of this transcript is left out: it has too many events"


class TranscriptReader:
    """Reads one agent's output; without a format of its own, or an agent (None), the lines of text are messages.

    Nothing in the output makes it raise. `session` is the first id of a conversation in it, "" until there is one.
    RosterError for an unknown name of an agent.
    """

    def __init__(self, agent: str | Agent | None) -> None:
        known = AgentRoster.shared().agent(agent) if isinstance(agent, str) else agent
        self._format = transcript_format(known) if known is not None else None
        self._lines = BoundedLines()
        self._calls: dict[str, str] = {}
        self._begun = ""  # of a message that comes in pieces
        self._left = MAX_EVENTS
        self.session = ""

    def feed(self, data: bytes) -> list[TranscriptEvent]:
        """Add the next bytes and return the events that they complete."""
        return list(self._bounded(self._lines.feed(data)))

    def end(self) -> list[TranscriptEvent]:
        """Return the events of a last line without an end."""
        return [*self._bounded(self._lines.end()), *self._rest()]

    def _bounded(self, lines: Iterable[bytes]) -> Iterator[TranscriptEvent]:
        for line in lines:
            for event in self._read(line):
                if self._left <= 0:
                    break
                self._left -= 1
                yield event if self._left else TranscriptEvent(kind="message", speaker="output", text=LEFT_OUT)

    def _read(self, line: bytes) -> Iterator[TranscriptEvent]:
        value = json_object(line) if self._format is not None and line.startswith(b"{") else None
        if self._format is None or value is None:
            text = line.decode("utf-8", "backslashreplace")[:MAX_TEXT]
            speaker: Speaker = "output" if self._format is not None else "agent"
            yield TranscriptEvent(kind="message", speaker=speaker, text=text)
            return
        if not self.session and self._format.session is not None:
            self.session = text_of(first(value, self._format.session), MAX_NAME)
        for event, goes_on in events_in(self._format.events, value):
            if goes_on:
                yield from self._piece(event.text)
            else:
                yield from self._rest()
                yield self._named(event)

    def _piece(self, text: str) -> Iterator[TranscriptEvent]:
        """Add a piece of a message and yield the lines that it completes."""
        whole, newline, self._begun = (self._begun + text).rpartition("\n")
        if newline:
            yield TranscriptEvent(kind="message", text=whole[:MAX_TEXT])
        if len(self._begun) > MAX_TEXT:
            yield from self._rest()

    def _rest(self) -> Iterator[TranscriptEvent]:
        if self._begun:
            yield TranscriptEvent(kind="message", text=self._begun[:MAX_TEXT])
            self._begun = ""

    def _named(self, event: TranscriptEvent) -> TranscriptEvent:
        """Return the event with the name of its tool, which formats give with the call alone."""
        if event.kind == "tool_call" and event.id:
            if len(self._calls) >= MAX_OPEN_CALLS:
                del self._calls[next(iter(self._calls))]
            self._calls[event.id] = event.name
        elif event.kind == "tool_result" and not event.name and event.id in self._calls:
            return replace(event, name=self._calls[event.id])
        return event


def transcript_format(agent: Agent) -> TranscriptFormat | None:
    """Return the format of what the agent prints, None for plain text; RosterError if there is no such format."""
    name = agent.headless.transcript
    if name is None:
        return None
    known = _formats()
    if name not in known:
        raise RosterError(
            f"agent {agent.name} prints a transcript of the unknown format {name}", hint=f"known: {', '.join(known)}"
        )
    return known[name]


@cache
def _formats() -> Mapping[str, TranscriptFormat]:
    return load_transcripts()


def read_transcript(agent: str | Agent, data: bytes | Iterable[bytes]) -> Iterator[TranscriptEvent]:
    """Yield the events in an agent's output, given whole or in chunks; RosterError for an unknown name of an agent."""
    reader = TranscriptReader(agent)
    for chunk in (data,) if isinstance(data, bytes) else data:
        yield from reader.feed(chunk)
    yield from reader.end()
