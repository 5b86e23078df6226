"""Credential files for a task: shaped like a vendor's own, with a phantom token where the secrets were. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from terok_util import yaml

if TYPE_CHECKING:
    from terok_executor.roster.types import CredentialFile

_PLACEHOLDER = re.compile(r"\{([a-z][a-z_]{0,31})\}")
_NOTHING = object()


def phantom_text(spec: CredentialFile, token: str, known: Mapping[str, Any]) -> str | None:
    """Return the text of the file with `token` as `{phantom}` and the values of `known` by their names.

    Keys whose value is not known are left out. None if the roster wants no such file.
    """
    if spec.phantom is None:
        return None
    filled = _fill(dict(spec.phantom), {**known, "phantom": token})
    if spec.format == "json":
        return json.dumps(filled, indent=2) + "\n"
    if spec.format == "env":
        return "".join(f"{name}={value}\n" for name, value in filled.items())
    if spec.format == "yaml":
        return yaml.dump(filled)
    import tomlkit

    return tomlkit.dumps(filled)


def _fill(node: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(node, str):
        match = _PLACEHOLDER.fullmatch(node)
        return node if match is None else values.get(match[1], _NOTHING)
    if isinstance(node, list):
        return [item for item in (_fill(item, values) for item in node) if item is not _NOTHING]
    if not isinstance(node, Mapping):
        return node
    filled = {key: value for key, item in node.items() if (value := _fill(item, values)) is not _NOTHING}
    return _unsigned(filled["$jwt"]) if set(filled) == {"$jwt"} else filled


def _unsigned(body: Any) -> str:
    """Return a JSON Web Token that every client can read and no server accepts."""
    parts = ({"alg": "none", "typ": "JWT"}, body)
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return ".".join((*encoded, "cGhhbnRvbQ"))
