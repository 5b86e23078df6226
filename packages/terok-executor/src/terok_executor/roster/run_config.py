"""A model, a turn limit and a time limit, as they are asked for and as one agent uses them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from terok_util import lean_dataclass

from terok_executor.errors import RequestError
from terok_executor.roster.template import MODEL_PATTERN

INIT = "/usr/local/bin/terok-init"
"""The start script of every image."""
READY_MARKER = ">> init complete"
"""The line that the start script prints when the repository is there; what follows is the command's."""
KILL_AFTER_SECONDS = 10
DEFAULT_KEY = "_default"
DEFAULT_TIMEOUT = 1800


@lean_dataclass(frozen=True, slots=True)
class CLIOverrides:
    """Limits given on a command line; None leaves one to the configuration. `timeout` is in seconds."""

    model: str | None = None
    max_turns: int | None = None
    timeout: int | None = None


@lean_dataclass(frozen=True, slots=True)
class AgentRunConfig:
    """Limits of one run: options the agent has, text for the prompt where it lacks one, warnings for the rest."""

    model: str | None
    max_turns: int | None
    timeout: int
    prompt_extra: str = ""
    warnings: tuple[str, ...] = ()


def resolve_provider_value(key: str, config: Mapping[str, Any], provider: str) -> Any:
    """Return a setting for one agent or provider: a flat value, or the entry of a map, else its `_default`.

    An entry of None falls back to `_default` like a missing one.
    """
    value = config.get(key)
    if isinstance(value, Mapping):
        own = value.get(provider)
        return value.get(DEFAULT_KEY) if own is None else own
    return value


def checked_model(text: str) -> str:
    """Return the name of a model that may stand in a command line and in quoted strings, else raise RequestError."""
    if not re.fullmatch(MODEL_PATTERN, text):
        raise RequestError(f"invalid model {text[:60]!r}: use letters, digits and . _ : / @ + - [ ]")
    return text


def time_limit(seconds: int) -> tuple[str, ...]:
    """Return the words before a command that end it after so many seconds."""
    return ("timeout", f"--kill-after={KILL_AFTER_SECONDS}", str(seconds))
