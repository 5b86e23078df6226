"""Setting keys in a configuration file that somebody wrote, and leaving the rest of it as it is, comments too. Pure."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from terok_util import yaml

from terok_executor.auth.json_edit import set_key
from terok_executor.errors import ConfigPatchError

MAX_TEXT = 512 * 1024


def patch_text(name: str, text: str, changes: Mapping[str, Any]) -> str:
    """Return the text of a file with `changes` set in it, maps key by key; its name says which format it has.

    An empty text becomes a file of the changes alone. Raises ConfigPatchError, naming file and key, if the file cannot
    be read or holds another kind of value where a map is to be; then nothing of it may be written.
    """
    if len(text) > MAX_TEXT:
        raise ConfigPatchError(f"{name}: more than {MAX_TEXT} characters")
    patch = {".json": _patch_json, ".toml": _patch_toml}.get(Path(name).suffix, _patch_yaml)
    try:
        return patch(name, text, changes)
    except yaml.YAMLError as error:
        raise ConfigPatchError(error.message, hint="correct the file, or move it away") from None
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigPatchError(f"{name}: {reason}", hint="correct the file, or move it away") from None


def _patch_json(name: str, text: str, changes: Mapping[str, Any]) -> str:
    text = text if text.strip() else "{}\n"
    for path, value in _leaves(changes, ()):
        text = set_key(text, path, value)
    return text


def _patch_toml(name: str, text: str, changes: Mapping[str, Any]) -> str:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
        _merge(name, document, changes, ())
        return tomlkit.dumps(document)
    except TOMLKitError as error:
        raise ValueError(error) from None


def _patch_yaml(name: str, text: str, changes: Mapping[str, Any]) -> str:
    document = yaml.load(text, name=name)
    if document is None:
        document = {}
    if not isinstance(document, MutableMapping):
        raise ConfigPatchError(f"{name}: a map of keys to values is needed")
    _merge(name, document, changes, ())
    return yaml.dump(document)


def _merge(name: str, node: MutableMapping[str, Any], changes: Mapping[str, Any], path: tuple[str, ...]) -> None:
    for key, value in changes.items():
        if not isinstance(value, Mapping) or key not in node:
            node[key] = value
        elif isinstance(node[key], MutableMapping):
            _merge(name, node[key], value, (*path, key))
        else:
            raise ConfigPatchError(f"{name}: {'.'.join((*path, key))}: a map is needed", hint="correct the file")


def _leaves(changes: Mapping[str, Any], path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    found = []
    for key, value in changes.items():
        nested = isinstance(value, Mapping) and bool(value)
        found += _leaves(value, (*path, key)) if nested else [((*path, key), value)]
    return found
