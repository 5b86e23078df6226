"""Guidance for an agent besides its prompt: instructions, and sub-agents in Markdown files with front matter."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from terok_util import safe_text, yaml
from terok_util.values import lean_dataclass

from terok_executor.errors import RequestError
from terok_executor.paths import RESOURCES
from terok_executor.reading import read_text

INHERIT = "_inherit"
DEFAULT_KEY = "_default"
MAX_BYTES = 256 * 1024
"""Size limit of the instructions, and of each sub-agent's file."""
_SUBAGENT_HINT = "start it with ---, name: …, description: …, ---"
FRONT_MATTER = re.compile(r"---\r?\n(.*?)\r?\n---\r?\n", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

Instructions = str | Sequence[str] | Mapping[str, "str | Sequence[str] | None"] | None
"""A text, a list of texts, or either of them per agent with `_default` for the others."""


def bundled_default_instructions() -> str:
    """Return the text that explains the container to every agent."""
    return (RESOURCES / "instructions.md").read_text("utf-8")


def instructions_for(value: Instructions, agent: str, *, appended: str = "") -> str:
    """Return the instructions of one agent.

    None means the bundled text; a text replaces it, and `_inherit` in a list stands for it. A map has an entry for the
    agent or `_default`; an entry of None means no instructions. `appended` is added at the end. RequestError if the
    value has another form, or the text is too large.
    """
    chosen = value if value is not None else [INHERIT]
    if isinstance(chosen, Mapping):
        chosen = chosen.get(agent, chosen.get(DEFAULT_KEY, [INHERIT])) or ()
    parts = [chosen] if isinstance(chosen, str) else list(chosen)
    if not all(isinstance(part, str) for part in parts):
        raise RequestError("invalid instructions", hint="use a text, a list of texts, or a map from agents to either")
    texts = [bundled_default_instructions() if part == INHERIT else part for part in parts]
    text = "\n\n".join(item.strip() for item in (*texts, appended) if item.strip())
    if len(text.encode("utf-8", "surrogateescape")) > MAX_BYTES:
        raise RequestError(f"the instructions are larger than {MAX_BYTES} bytes")
    return text + "\n" if text else ""


def read_instructions(path: Path) -> str:
    """Return the text of a file of instructions; RequestError if it cannot be read or is too large."""
    return read_text(path, MAX_BYTES, what=f"the instructions {path}")


@lean_dataclass(frozen=True, slots=True)
class SubAgent:
    """A sub-agent; `text` is its whole file."""

    name: str
    description: str
    text: str

    @classmethod
    def from_mapping(cls, fields: Mapping[str, Any]) -> Self:
        """Return the sub-agent with the front matter `fields`, but for `prompt`, which is the text below it."""
        head = {key: value for key, value in fields.items() if key != "prompt"}
        text = f"---\n{yaml.dump(head)}---\n{fields.get('prompt', '')}"
        return cls(*_named(head, "sub-agent", None), text)


def read_subagent(path: Path) -> SubAgent:
    """Return the sub-agent of a file with `description` and perhaps `name` (default: the file's) in its front matter.

    RequestError if the file cannot be read, or its front matter is wrong.
    """
    label = f"sub-agent {path}"
    text = read_text(path, MAX_BYTES, what=label)
    match = FRONT_MATTER.match(text)
    if match is None:
        raise RequestError(f"{label}: there is no front matter between two lines of ---", hint=_SUBAGENT_HINT)
    try:
        fields = yaml.load(match[1], name=str(path))
    except yaml.YAMLError as error:
        raise RequestError(safe_text(error.message, limit=500)) from None
    return SubAgent(*_named(fields if isinstance(fields, dict) else {}, label, path.stem), text)


def _named(fields: Mapping[str, Any], label: str, default_name: str | None) -> tuple[str, str]:
    """Return name and description of a front matter."""
    name, description = fields.get("name", default_name), fields.get("description")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise RequestError(f"{label}: name has to be letters, digits, _ and -", hint=_SUBAGENT_HINT)
    if not isinstance(description, str) or not description.strip():
        raise RequestError(f"{label}: the front matter has no description", hint=_SUBAGENT_HINT)
    return name, description
