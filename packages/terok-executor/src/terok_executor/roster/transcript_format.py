"""Output formats of agents as their YAML files describe them: which lines are which events, and where their parts are.

A format reads JSON lines. A path is keys separated by dots; a number is an index and `*` every item of a list. Below
`item` lies the item of the list that a rule is applied to. Several paths are separated by `|`, and the first that leads
to something counts; `=word` is the word itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from terok_util import lean_dataclass

from terok_executor.roster.spelling import NOT_EMPTY, Line, OneOf, Section, spelled

Kind = Literal["message", "thought", "tool_call", "tool_result", "usage", "question", "end"]
Speaker = Literal["agent", "person", "output"]
TOKENS = ("input_tokens", "output_tokens", "cache_read", "cache_write")
FIELDS = ("text", "id", "name", "input", "exit_code", "partial", "options", "cost_usd", *TOKENS)
_KEY = r"(?:[A-Za-z0-9_$-]+|\*)"
_PATH = rf"{_KEY}(?:\.{_KEY}){{0,15}}"
_PATHS = rf"(?:{_PATH}|=[A-Za-z0-9_. -]+)(?:\|(?:{_PATH}|=[A-Za-z0-9_. -]+)){{0,7}}"

Path = Annotated[str, spelled(_PATH, "a path of keys separated by dots")]
Paths = Annotated[str, spelled(_PATHS, "paths separated by |")]
Values = Annotated[tuple[str, ...], NOT_EMPTY]
"""Texts of which one has to be found; `*` stands for any number, truth value or text with something in it."""


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class EventRule(Section):
    """One kind of event: lines in which every path of `when` leads to one of its values, once for each item of `each`.

    `fields` say where the parts of the event are; where `partial` is true, the text goes on in the next message. The
    event is a failure if one of the paths of `failed` leads to one of its values.
    """

    kind: Kind
    when: Annotated[Mapping[Path, Values], NOT_EMPTY]
    each: Path | None = None
    speaker: Speaker = "agent"
    fields: Mapping[Annotated[str, OneOf(*FIELDS)], Paths] = field(default_factory=dict)
    failed: Mapping[Path, Values] = field(default_factory=dict)


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptFormat(Section):
    """A file in `transcripts/`: how an agent prints what it does, and where its conversation's id stands."""

    name: str
    label: Line
    events: Annotated[tuple[EventRule, ...], NOT_EMPTY]
    session: Paths | None = None
    roster_version: Literal[1] = 1
