"""The stub model's next reply: a pure function of the script and the conversation so far.

A script is a list of shell commands and a closing sentence. The model asks the client's own shell tool to run the
commands one after the other and ends with the sentence. Nothing is remembered between requests: the number of the step
is part of each call's id, and clients send those ids back with the results.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from terok.errors import ScriptError
from terok.stub.tools import OfferedTool, arguments_for, choose_shell_tool, example_of

CALL_ID_PREFIX = "call_terok_"
MAX_COMMANDS = 200
MAX_COMMAND_CHARS = 100_000
AUXILIARY_TEXT = "Scripted turn"

_CALL_ID = re.compile(rf"{CALL_ID_PREFIX}([0-9]{{3}})")


@dataclass(frozen=True, slots=True)
class Use:
    """A step that calls another of the client's tools than its shell, by its name."""

    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Script:
    """Shell commands and uses of other tools, in order, and the sentence that ends the turn."""

    commands: tuple[str | Use, ...]
    final: str = "Done."

    def __post_init__(self) -> None:
        if len(self.commands) > MAX_COMMANDS:
            raise ScriptError(f"a script has at most {MAX_COMMANDS} commands, this one has {len(self.commands)}")
        for number, command in enumerate(self.commands, start=1):
            if isinstance(command, str) and (
                not command.strip() or len(command) > MAX_COMMAND_CHARS or "\0" in command
            ):
                raise ScriptError(f"command {number} is empty, too long or contains a NUL")
        if not self.final.strip():
            raise ScriptError("the closing sentence is empty")


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The output of a call as the client reports it."""

    call_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """The beginning of a prompt that is kept in a cache: `size` in characters; `written` costs, for an `hour` more."""

    key: str
    size: int
    written: bool = True
    hour: bool = False


@dataclass(frozen=True, slots=True)
class Charge:
    """Tokens that one answer is billed for. `input` is what no cache has to do with, `output` includes `reasoning`."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0

    @property
    def prompt(self) -> int:
        """All of the prompt."""
        return self.input + self.cache_read + self.cache_write + self.cache_write_1h


@dataclass(frozen=True, slots=True)
class Conversation:
    """The parts of a request that decide the reply, the same for every protocol."""

    model: str
    stream: bool = False
    tools: tuple[OfferedTool, ...] = ()
    results: tuple[ToolResult, ...] = ()
    answer_schema: Mapping[str, Any] | None = None
    """JSON Schema the text has to satisfy, when the client asks for structured output."""
    size: int = 0
    """Characters of the request, from which the usage figures are made."""
    prefix: Prefix | None = None
    thinking: int = 0
    """Tokens that the model thinks before it speaks."""
    charge: Charge = Charge()
    """Tokens that the answer is billed for, once that is known."""


@dataclass(frozen=True, slots=True)
class Text:
    """The reply is a sentence, and the turn is over."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The reply asks the client to run one command with one of its own tools."""

    call_id: str
    tool: OfferedTool
    command: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


Reply = Text | ToolCall


def next_reply(script: Script, conversation: Conversation) -> Reply:
    """Return the reply to a conversation.

    A request that offers no shell tool is one of the client's own errands (a title, a summary, a quota probe) and gets
    a short text, shaped to its schema if it names one.
    """
    tool = choose_shell_tool(conversation.tools)
    if tool is None:
        schema = conversation.answer_schema
        return Text(AUXILIARY_TEXT if schema is None else json.dumps(example_of(schema, AUXILIARY_TEXT)))
    steps = [done for result in conversation.results if (done := step_of(result.call_id)) is not None]
    step = max(steps, default=-1) + 1
    if step >= len(script.commands):
        return Text(script.final)
    command, call_id = script.commands[step], f"{CALL_ID_PREFIX}{step:03d}"
    if isinstance(command, str):
        return ToolCall(call_id, tool, command, arguments_for(tool, command))
    offered = next((one for one in conversation.tools if one.name == command.tool), None)
    if offered is None:
        return Text(f"The client has no tool {command.tool}.")
    return ToolCall(call_id, offered, command.tool, command.arguments)


def step_of(call_id: str) -> int | None:
    """Return the number of the step that a call id of ours belongs to; None for ids made by others."""
    match = _CALL_ID.fullmatch(call_id)
    return int(match[1]) if match else None


def usage_tokens(size: int) -> int:
    """Return a stand-in for a tokenizer: four characters make a token, and there is always one."""
    return max(1, size // 4)


def output_size(reply: Reply) -> int:
    """Characters of the reply, for its usage figure."""
    return len(reply.text) if isinstance(reply, Text) else len(json.dumps(dict(reply.arguments)))
