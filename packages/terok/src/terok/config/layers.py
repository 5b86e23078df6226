"""The layers of a configuration: which files there are, what they say, and what they say together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from terok_util import (
    ConfigScope,
    ConfigStack,
    config_layers,
    load_yaml_scope,
    namespace_config_dir,
)

from terok.config.instructions import BUNDLED, layered

CONFIG_FILE = "config.yml"
PROJECT_FILE = "project.yml"
INSTRUCTIONS_FILE = "instructions.md"
_PATHS = (("agent", "subagents"), ("image", "user_snippet_file"), ("shield", "policy"))
"""Keys with paths, which are relative to the file that says them."""


class Source(NamedTuple):
    """A file of a layer, with its content."""

    level: str
    path: Path
    content: bytes


def user_file() -> Path:
    """Return where the user's `config.yml` is."""
    return namespace_config_dir() / CONFIG_FILE


def host_sources() -> list[Source]:
    """Return the configuration files that exist, the system's below the user's; ConfigError for an unreadable one."""
    user = user_file()
    return [Source("user" if path == user else "system", path, content) for path, content in config_layers(user)]


def read_scope(source: Source) -> ConfigScope:
    """Return a file's layer: a section without content is an empty one, and paths are absolute.

    Raises:
        ConfigError: It is not YAML, or not a mapping; the message names file and line.
    """
    scope = load_yaml_scope(source.level, source.path, source.content)
    data = {name: {} if section is None else section for name, section in scope.data.items()}
    _anchor(data, source.path.parent)
    for preset in data["presets"].values() if isinstance(data.get("presets"), dict) else ():
        if isinstance(preset, dict):
            _anchor(preset, source.path.parent)
    return ConfigScope(scope.level, scope.source, data, scope.lines)


def _anchor(data: Mapping[str, Any], directory: Path) -> None:
    """Make the paths in a layer absolute."""
    for section, key in _PATHS:
        values = data.get(section)
        if not isinstance(values, dict) or key not in values:
            continue
        value = values[key]
        if isinstance(value, str):
            values[key] = anchored(value, directory)
        elif isinstance(value, list):
            values[key] = [anchored(item, directory) if isinstance(item, str) else item for item in value]
    git = data.get("git")
    if isinstance(git, dict):
        for holder in (git, *(git["repos"] if isinstance(git.get("repos"), list) else ())):
            upstream = holder.get("upstream") if isinstance(holder, dict) else None
            if isinstance(upstream, str) and upstream.startswith((".", "~")):
                holder["upstream"] = anchored(upstream, directory)


def anchored(text: str, directory: Path) -> str:
    """Return a path as seen from `directory`; empty text and the marker of lower layers stay."""
    if not text or text == BUNDLED:
        return text
    return os.path.normpath(directory / os.path.expanduser(text))  # noqa: PTH111 - leaves a user that is not there


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a layer's data from values by dotted key, such as `{"agent.model": "opus"}`."""
    data: dict[str, Any] = {}
    for key, value in values.items():
        *sections, last = key.split(".")
        place = data
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    return data


def resolve(stack: ConfigStack) -> dict[str, Any]:
    """Return what the layers say together."""
    merged = stack.resolve()
    said = [value for scope in stack.scopes for value in _instructions(scope)]
    if said:
        merged.setdefault("agent", {})["instructions"] = layered(said)
    return merged


def _instructions(scope: ConfigScope) -> Sequence[Any]:
    agent = scope.data.get("agent")
    return [agent["instructions"]] if isinstance(agent, dict) and agent.get("instructions") is not None else []


def stack_of(scopes: Iterable[ConfigScope], *, preset: str | None = None) -> ConfigStack:
    """Return the layers, with the preset of that name above the files and below what has no file.

    A preset that is in several layers is merged as everything else; KeyError if it is in none.
    """
    stack, command_line = ConfigStack(), []
    for scope in scopes:
        if scope.source is None:
            command_line.append(scope)
        else:
            stack.push(scope)
    if preset is not None:
        for scope in preset_scopes(stack.scopes, preset):
            stack.push(scope)
    for scope in command_line:
        stack.push(scope)
    return stack


def preset_scopes(scopes: Iterable[ConfigScope], name: str) -> list[ConfigScope]:
    """Return a preset as layers of its own, one from each file that has it; KeyError if none has."""
    found = []
    for scope in scopes:
        presets = scope.data.get("presets")
        body = presets.get(name) if isinstance(presets, dict) else None
        if isinstance(body, dict):
            lines = {path[2:]: line for path, line in scope.lines.items() if path[:2] == ("presets", name) and path[2:]}
            found.append(ConfigScope(f"preset {name}", scope.source, body, lines))
    if not found:
        raise KeyError(name)
    return found
