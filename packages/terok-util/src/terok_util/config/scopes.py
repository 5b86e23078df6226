"""One layer of configuration, from a file or from a program, and the file that all wheels share."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from terok_util.errors import ConfigError
from terok_util.files.reading import read_file
from terok_util.meant import did_you_mean
from terok_util.paths import system_config_dir
from terok_util.text import safe_text

MAX_FILE_BYTES = 4 * 1024 * 1024
SECTIONS = frozenset(
    {
        *("agent", "budget", "controller", "credentials", "gate", "gate_server", "git", "hooks", "image", "network"),
        *("notify", "paths", "presets", "run", "services", "shared", "shield", "ssh", "tasks", "tui", "vault"),
    }
)
"""The sections of all wheels. Each wheel reads its own; a name that none reads is refused."""
PRODUCT_KEYS = {
    "credentials": frozenset({"set", "ssh_keys"}),
    "run": frozenset(
        ("cpus", "env", "gpus", "memory", "runtime", "sealed", "timeout", "timezone", "tools", "unrestricted")
    ),
    "shield": frozenset({"allow", "policy"}),
}
"""Keys of projects and tasks in sections of the wheels below, which only `terok` reads."""


@dataclass(frozen=True, slots=True)
class ConfigScope:
    """One layer: its level ("system", "user", "project", …), its file if it has one, and its values.

    `lines` maps the path of a value, such as `("shield", "allow")`, to its line (from 1) in the file.
    """

    level: str
    source: Path | None
    data: Mapping[str, Any]
    lines: Mapping[tuple[str | int, ...], int] = field(default_factory=dict, repr=False)


def load_yaml_scope(level: str, path: str | os.PathLike[str], content: bytes | None = None) -> ConfigScope:
    """Read a YAML file, or its `content` if that has been read; a missing or empty file is an empty scope.

    YAMLError, with file and line, if it is not YAML, ConfigError if it cannot be read or is not a mapping.
    """
    from terok_util import yaml

    source = Path(path)
    document = yaml.load(_text(source, read_config_file(source) if content is None else content), name=str(source))
    return ConfigScope(level, source, _mapping(source, yaml.plain(document)), yaml.lines(document))


def load_json_scope(level: str, path: str | os.PathLike[str]) -> ConfigScope:
    """Read a JSON file; otherwise like `load_yaml_scope`."""
    source = Path(path)
    text = _text(source, read_config_file(source))
    try:
        document = json.loads(text) if text.strip() else None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{source}:{error.lineno}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: not usable JSON: {error}") from error
    return ConfigScope(level, source, _mapping(source, document))


def read_config_file(path: str | os.PathLike[str]) -> bytes:
    """Return the content of a configuration file, empty if it is missing; ConfigError if it cannot be read."""
    try:
        return read_file(path, MAX_FILE_BYTES)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", hint=f"check: ls -l {path}") from error


def _text(path: Path, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 (byte {error.start})") from error


def _mapping(path: Path, document: Any) -> dict[str, Any]:
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigError(f"{path} must be a mapping of sections, not a {type(document).__name__}")
    for key in document:
        if not isinstance(key, str):
            raise ConfigError(f"{path}: section names are text, not {key!r}", hint="put the name in quotes")
    return document


def config_layers(user_file: Path) -> list[tuple[Path, bytes]]:
    """Return the shared configuration files that exist, the system's below the user's, with their contents.

    A system's directory that is closed to this user is that of root's own terok.
    """
    system_file = system_config_dir() / user_file.name
    found = [] if system_file == user_file or not _is_open(system_file) else [system_file]
    if user_file.exists():
        found.append(user_file)
    return [(file, read_config_file(file)) for file in found]


def _is_open(file: Path) -> bool:
    try:
        return file.exists()
    except PermissionError:
        return False


def load_config_file(path: str | os.PathLike[str], content: bytes | None = None) -> ConfigScope:
    """Read the shared configuration file, or its `content` if that has been read; a missing one is empty.

    The result is without the keys that only `terok` reads; a section without content is an empty one. ConfigError, with
    file and line, if it cannot be used, or has a section that no wheel has.
    """
    scope = load_yaml_scope("user", path, content)
    for name in scope.data:
        if name not in SECTIONS:
            hint = did_you_mean(name, SECTIONS, f"use one of {', '.join(sorted(SECTIONS))}")
            raise config_error(scope, (name,), "unknown section", hint=hint)
    return replace(
        scope, data={name: _without(section, PRODUCT_KEYS.get(name, ())) for name, section in scope.data.items()}
    )


def _without(section: Any, keys: Collection[str]) -> Any:
    if section is None:
        return {}
    return {key: value for key, value in section.items() if key not in keys} if isinstance(section, dict) else section


def config_error(scope: ConfigScope, key: Sequence[str | int], problem: str, *, hint: str | None = None) -> ConfigError:
    """Return an error about the value at `key`, with its line or that of the nearest enclosing key."""
    steps = [tuple(key[:length]) for length in range(len(key), 0, -1)]
    line = next((scope.lines[step] for step in steps if step in scope.lines), 1)
    named = safe_text(".".join(str(part) for part in key), limit=200)
    return ConfigError(f"{scope.source}:{line}: {named}: {safe_text(problem, limit=300)}", hint=hint)
