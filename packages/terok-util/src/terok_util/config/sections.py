"""The configuration file that all wheels share: its sections, and errors that name file, line and key."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from terok_util.config.scopes import ConfigScope, load_yaml_scope
from terok_util.errors import ConfigError
from terok_util.text import safe_text

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

SECTIONS = frozenset(
    {
        *("budget", "credentials", "gate", "gate_server", "image", "network", "paths", "run", "services", "shield"),
        *("ssh", "vault"),
    }
)
"""The sections of all wheels. Each wheel reads its own; a name that none reads is refused."""


def load_config_file(path: str | os.PathLike[str], content: bytes | None = None) -> ConfigScope:
    """Read the shared configuration file, or its `content` if that has been read; a missing one is empty.

    Raises:
        ConfigError: The file cannot be used, or has a section that no wheel has; the message names file and line.
    """
    scope = load_yaml_scope("user", path, content)
    for name in scope.data:
        if name not in SECTIONS:
            close = difflib.get_close_matches(name, SECTIONS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"use one of {', '.join(sorted(SECTIONS))}"
            raise config_error(scope, (name,), "unknown section", hint=hint)
    return scope


def config_error(scope: ConfigScope, key: Sequence[str | int], problem: str, *, hint: str | None = None) -> ConfigError:
    """Return an error about the value at `key`, with its line or that of the nearest enclosing key."""
    steps = [tuple(key[:length]) for length in range(len(key), 0, -1)]
    line = next((scope.lines[step] for step in steps if step in scope.lines), 1)
    named = safe_text(".".join(str(part) for part in key), limit=200)
    return ConfigError(f"{scope.source}:{line}: {named}: {safe_text(problem, limit=300)}", hint=hint)
