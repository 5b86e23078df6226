"""Placeholders in an agent's configuration files and variables.

`{name}` stands for a value; a line that holds `{name?}` is left out where the value is empty. Other braces mean
nothing here, so JSON and shell text can be written as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

MODEL_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._:/@+\[\]-]{0,199}"
"""Model names end up in quoted strings of JSON, TOML and YAML, so nothing that ends a string may pass."""
PLACEHOLDERS = ("label", "model", "protocol", "provider", "token_end", "token_env", "vault_root", "vault_url")
AGENT_FILE_PLACEHOLDERS = ("acp", "help", "label", "name")
TOOL_PLACEHOLDERS = ("token", "upstream", "upstream_host", "vault_socket", "vault_url")
_PLACEHOLDER = re.compile(r"\{([a-z][a-z_]{0,31})(\??)\}")


def placeholders(text: str) -> frozenset[str]:
    """Return the names of the placeholders in a template."""
    return frozenset(match[1] for match in _PLACEHOLDER.finditer(text))


def needs(text: str, name: str) -> bool:
    """Tell whether the template cannot do without a value for `name`."""
    return any(match[1] == name and not match[2] for match in _PLACEHOLDER.finditer(text))


def check_template(text: str) -> str:
    """Return the text if it may be a template: printable lines of a bounded size; ValueError otherwise."""
    if len(text) > 16 * 1024 or any(not (char.isprintable() or char in "\n\t") for char in text):
        raise ValueError("a template is at most 16 KiB of printable text")
    return text


def fill(text: str, values: Mapping[str, str]) -> str | None:
    """Return the text with its placeholders filled; None if it consists of lines left out."""
    lines = text.splitlines(keepends=True)
    kept = [line for line in lines if all(values.get(m[1]) for m in _PLACEHOLDER.finditer(line) if m[2])]
    return _PLACEHOLDER.sub(lambda match: values[match[1]], "".join(kept)) if kept or not lines else None
