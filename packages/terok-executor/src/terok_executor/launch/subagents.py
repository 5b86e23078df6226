"""Sub-agents: Markdown files with front matter, handed to agents that know such files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from terok_util import safe_text, yaml

from terok_executor.errors import RequestError
from terok_executor.reading import read_text

MAX_BYTES = 256 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class SubAgent:
    """One definition; `text` is the whole file."""

    name: str
    description: str
    text: str


def parse_md_agent(path: Path) -> SubAgent:
    """Read a definition; its front matter has to say `description` and may say `name`, else the file's is taken.

    Raises RequestError, naming the file, for anything else.
    """
    text = read_text(path, MAX_BYTES, what=f"sub-agent {path}")
    match = re.match(r"---\r?\n(.*?)\r?\n---\r?\n", text, re.DOTALL)
    if match is None:
        raise _wrong(path, "there is no front matter between two lines of ---")
    try:
        fields = yaml.load(match[1], name=str(path))
    except yaml.YAMLError as error:
        raise RequestError(safe_text(error.message, limit=500)) from None
    said = fields if isinstance(fields, dict) else {}
    name, description = said.get("name", path.stem), said.get("description")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _wrong(path, "name has to be letters, digits, _ and -")
    if not isinstance(description, str) or not description.strip():
        raise _wrong(path, "the front matter says no description")
    return SubAgent(name, description, text)


def _wrong(path: Path, what: str) -> RequestError:
    return RequestError(f"sub-agent {path}: {what}", hint="start it with ---, name: …, description: …, ---")
