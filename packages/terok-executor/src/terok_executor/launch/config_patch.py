"""Configuration files that begin as a person's own and get the keys that the task needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terok_util import ensure_dir, write_sensitive_file

from terok_executor.auth.errors import ConfigPatchError
from terok_executor.auth.patch import MAX_TEXT, patch_text
from terok_executor.reading import read_text
from terok_executor.roster.template import fill

_NAMED = "`config_files` of the agent's YAML file names it"


@dataclass(frozen=True, slots=True)
class ConfigPatch:
    """Keys to set in a file: in what is at `path` already, else in a copy of `source`, else in an empty one."""

    path: Path
    changes: Mapping[str, Any]
    source: str | None


def filled_tree(node: Any, values: Mapping[str, str]) -> Any:
    """Return the changes with their templates filled; a key whose text is left out as a whole is left out."""
    if isinstance(node, str):
        return fill(node, values)
    if isinstance(node, list):
        return [filled_tree(item, values) for item in node]
    if not isinstance(node, Mapping):
        return node
    filled = {key: (filled_tree(item, values), item) for key, item in node.items()}
    return {key: value for key, (value, item) in filled.items() if value is not None or item is None}


def apply_patches(patches: Iterable[ConfigPatch]) -> None:
    """Write every file anew, 0600 and atomically; ConfigPatchError, naming the file, if one cannot be changed."""
    for patch in patches:
        origin = patch.path if patch.path.exists() else Path(patch.source).expanduser() if patch.source else None
        text = read_text(origin, MAX_TEXT, error=ConfigPatchError, hint=_NAMED) if origin is not None else ""
        name = patch.path.name if origin is None or origin == patch.path else str(origin)
        suffixed = name if Path(name).suffix == patch.path.suffix else f"{name}{patch.path.suffix}"
        ensure_dir(patch.path.parent)
        write_sensitive_file(patch.path, patch_text(suffixed, text, patch.changes))
