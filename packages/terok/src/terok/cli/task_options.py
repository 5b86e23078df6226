"""From the options of a command line to settings by their dotted key, and to fields of the request."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from terok_util import UsageError

MAX_TEXT = 4 * 1024 * 1024
_READABLE = "name a text file that you may read, or - for standard input"
_SETTINGS = {
    "agent": "agent.name",
    "provider": "agent.provider",
    "model": "agent.model",
    "max_turns": "agent.max_turns",
    "timeout": "run.timeout",
    "memory": "run.memory",
    "credential_set": "credentials.set",
}
_ADDED = {"tools": "run.tools", "allow": "shield.allow"}
"""Options whose values come on top of the project's."""
_FIELDS = ("branch", "profiles", "budget", "port", "public_url")
_INHERIT = "_inherit"


def overrides(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that options stand for, by dotted key."""
    found = {key: options[name] for name, key in _SETTINGS.items() if options.get(name) is not None}
    found |= {key: [_INHERIT, *options[name]] for name, key in _ADDED.items() if options.get(name)}
    if options.get("cpus") is not None:
        found["run.cpus"] = _number(options["cpus"])
    if options.get("restricted"):
        found["run.unrestricted"] = False
    if options.get("env"):
        found["run.env"] = _variables(options["env"])
    if options.get("instructions"):
        found["agent.instructions"] = [_INHERIT, read_text(options["instructions"])]
    return found


def request_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the request that no setting stands for."""
    return {name: options[name] for name in _FIELDS if options.get(name) is not None}


def read_prompt(text: str | None, file: str | None) -> str | None:
    """Return the prompt given as text, in a file or on standard input (`-`); None without either."""
    if text is not None and file is not None:
        raise UsageError("two prompts are one too many", hint="leave out the text, or --prompt-file")
    return text if file is None else read_text(file)


def read_text(file: str) -> str:
    """Return the text of a file, or of standard input for `-`; UsageError if it cannot be read or is too large."""
    try:
        if file == "-":
            data = sys.stdin.buffer.read(MAX_TEXT + 1)
        else:
            with Path(file).open("rb") as stream:
                data = stream.read(MAX_TEXT + 1)
    except OSError as error:
        raise UsageError(f"the file {file} cannot be read: {error.strerror}", hint=_READABLE) from None
    if len(data) > MAX_TEXT:
        raise UsageError(f"the file {file} is larger than {MAX_TEXT} bytes", hint=_READABLE)
    return data.decode("utf-8", "replace")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"invalid number of CPUs {text[:40]!r}", hint="use a positive number such as 1.5") from None


def _variables(settings: list[str]) -> dict[str, str]:
    """Return variables by name; a NAME alone has the value it has in this process."""
    import os

    found = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals and name not in os.environ:
            raise UsageError(f"the variable {name[:60]!r} is not set here", hint="write NAME=VALUE, or set it first")
        found[name] = value if equals else os.environ[name]
    return found
