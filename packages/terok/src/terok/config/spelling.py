"""How single values are spelled; each name stands for a type and a check."""

from __future__ import annotations

import re
from typing import Annotated

from terok_util import TerokError

from terok.integrations import executor, sandbox
from terok.integrations.executor import Checked, Limits
from terok.model.words import GROUP_ORDER, WORDS

STATES = tuple(dict.fromkeys((*GROUP_ORDER, *WORDS)))
"""Words and groups of states."""

_SIZE = re.compile(r"([0-9]{1,12})([kmgt]?)b?", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_FACTORS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def parse_size(text: str) -> int:
    """Return the bytes that `512m` or `5g` stand for; ValueError for anything else."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"invalid size {text[:40]!r}: use a number and k, m or g")
    return int(match[1]) * _FACTORS[match[2].lower()]


def _size(text: str) -> str:
    parse_size(text)
    return text


def _name(text: str) -> str:
    if not sandbox.is_plain(text):
        raise ValueError(f"invalid name {text[:60]!r}: use 1 to 63 of a-z 0-9 _ . -")
    return text


def _branch(text: str) -> str:
    if not sandbox.is_branch(text):
        raise ValueError(f"not a branch name: {text[:80]!r}")
    return text


def _time_zone(text: str) -> str:
    if not sandbox.is_time_zone(text):
        raise ValueError(f"not a time zone: {text[:60]!r}; use a name such as Europe/Berlin")
    return text


def _destination(text: str) -> str:
    try:
        executor.allow_lines([text])
    except TerokError as error:
        raise ValueError(f"{error.message}; {error.hint}") from error
    return text


def _absolute(text: str) -> str:
    if not text.startswith("/") or "\0" in text or ".." in text.split("/"):
        raise ValueError(f"not an absolute path: {text[:80]!r}")
    return text


def _command(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise ValueError("a command cannot be empty")
    return text


def check_variable(text: str) -> str:
    """Return the name of a variable; ValueError if it is none."""
    if _VARIABLE.fullmatch(text) is None:
        raise ValueError(f"invalid variable name {text[:60]!r}: use letters, digits and _")
    return text


def _state(text: str) -> str:
    if text not in STATES:
        raise ValueError(f"unknown state {text[:40]!r}: use some of {', '.join(STATES)}")
    return text


AbsolutePath = Annotated[str, Checked(_absolute)]
AgentName = Annotated[str, Checked(_name)]
Branch = Annotated[str, Checked(_branch)]
Command = Annotated[str, Checked(_command)]
Count = Annotated[int, Limits(ge=1, le=1000)]
Destination = Annotated[str, Checked(_destination)]
Memory = Annotated[str, Checked(_size)]
Name = Annotated[str, Checked(_name)]
Seconds = Annotated[int, Limits(ge=0, le=31_536_000)]
Size = Annotated[str, Checked(_size)]
State = Annotated[str, Checked(_state)]
TimeZone = Annotated[str, Checked(_time_zone)]
Variable = Annotated[str, Checked(check_variable)]
