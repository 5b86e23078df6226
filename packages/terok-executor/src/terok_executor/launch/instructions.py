"""The instructions an agent gets besides its prompt: ours, the project's, or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from terok_executor.errors import RequestError
from terok_executor.paths import RESOURCES
from terok_executor.reading import read_text

INHERIT = "_inherit"
DEFAULT_KEY = "_default"
MAX_BYTES = 256 * 1024

Instructions = str | Sequence[str] | Mapping[str, "str | Sequence[str] | None"] | None
"""A text, a list of texts, or either of them per agent with `_default` for the others."""


def bundled_default_instructions() -> str:
    """Return what every agent is told about the container it works in."""
    return (RESOURCES / "instructions.md").read_text("utf-8")


def instructions_for(value: Instructions, agent: str, *, appended: str = "") -> str:
    """Return the text one agent gets.

    None stands for the bundled text; a text of one's own replaces it, and `_inherit` in a list stands for it. In a
    map the agent's entry is taken, else `_default`; an entry of None means no instructions. `appended` follows.
    Raises RequestError for anything else or too much text.
    """
    if isinstance(value, Mapping):
        if agent not in value and DEFAULT_KEY not in value:
            chosen: str | Sequence[str] | None = [INHERIT]
        else:
            chosen = value[agent] if agent in value else value[DEFAULT_KEY]
    else:
        chosen = value if value is not None else [INHERIT]
    parts = [chosen] if isinstance(chosen, str) else list(chosen or ())
    if not all(isinstance(part, str) for part in parts):
        raise RequestError("instructions are text, a list of texts, or a map from agents to either")
    texts = [bundled_default_instructions() if part == INHERIT else part for part in parts]
    text = "\n\n".join(item.strip() for item in (*texts, appended) if item.strip())
    if len(text.encode("utf-8", "surrogateescape")) > MAX_BYTES:
        raise RequestError(f"the instructions are larger than {MAX_BYTES} bytes")
    return text + "\n" if text else ""


def read_instructions(path: Path) -> str:
    """Return the text of a file of instructions; RequestError if it cannot be read or is too large."""
    return read_text(path, MAX_BYTES, what=f"the instructions {path}")
