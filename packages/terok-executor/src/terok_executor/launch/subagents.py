"""Sub-agents: Markdown files with front matter, handed to agents that know such files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from terok_util import safe_text, yaml

from terok_executor.errors import RequestError
from terok_executor.reading import read_text

MAX_BYTES = 256 * 1024
_HINT = "start it with ---, name: …, description: …, ---"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class SubAgent:
    """One definition; `text` is the whole file."""

    name: str
    description: str
    text: str

    @classmethod
    def from_mapping(cls, fields: Mapping[str, Any]) -> Self:
        """Return the sub-agent with the front matter `fields`, but for `prompt`, which is the text below it."""
        head = {key: value for key, value in fields.items() if key != "prompt"}
        text = f"---\n{yaml.dump(head)}---\n{fields.get('prompt', '')}"
        return cls(*_named(head, "sub-agent", None), text)


def parse_md_agent(path: Path) -> SubAgent:
    """Read a definition; its front matter has to say `description` and may say `name`, else the file's is taken.

    Raises RequestError, naming the file, for anything else.
    """
    label = f"sub-agent {path}"
    text = read_text(path, MAX_BYTES, what=label)
    match = re.match(r"---\r?\n(.*?)\r?\n---\r?\n", text, re.DOTALL)
    if match is None:
        raise RequestError(f"{label}: there is no front matter between two lines of ---", hint=_HINT)
    try:
        fields = yaml.load(match[1], name=str(path))
    except yaml.YAMLError as error:
        raise RequestError(safe_text(error.message, limit=500)) from None
    return SubAgent(*_named(fields if isinstance(fields, dict) else {}, label, path.stem), text)


def _named(fields: Mapping[str, Any], label: str, default_name: str | None) -> tuple[str, str]:
    """Return name and description of a front matter."""
    name, description = fields.get("name", default_name), fields.get("description")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise RequestError(f"{label}: name has to be letters, digits, _ and -", hint=_HINT)
    if not isinstance(description, str) or not description.strip():
        raise RequestError(f"{label}: the front matter has no description", hint=_HINT)
    return name, description
