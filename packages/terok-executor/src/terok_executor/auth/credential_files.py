"""Vendors' credential files: read by the key paths of the roster, and written for a task with a phantom token. Pure.

Everything in the file that no path names may change as it likes. A path may lead into a JSON Web Token, whose claims
are opened on the way.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from terok_util import register_secret, yaml

from terok_executor.credentials import SECRET_FIELDS
from terok_executor.errors import CredentialShapeError
from terok_executor.roster.types import CredentialFile

MAX_FILE_BYTES = 256 * 1024
MAX_VALUE = 16 * 1024
_MISSING = object()
_PLACEHOLDER = re.compile(r"\{([a-z][a-z_]{0,31})\}")


def extract(spec: CredentialFile, data: bytes) -> dict[str, Any]:
    """Return the credential in a file, as the vault stores it.

    Raises CredentialShapeError, naming file and key, if a value that is needed is missing or of another kind.
    """
    document = _parse(spec, data)
    found: dict[str, Any] = {"type": spec.type}
    for name, path in spec.fields.items():
        found[name] = _checked(spec, name, path, dig(document, path))
    for name, path in spec.optional.items():
        value = dig(document, path)
        if value is not _MISSING and value is not None:
            found[name] = _checked(spec, name, path, value)
    for name in SECRET_FIELDS & found.keys():
        register_secret(found[name])
    return found


def dig(document: Any, path: tuple[str, ...]) -> Any:
    """Return the value at a path of keys; `_MISSING`, which no file contains, if nothing is there."""
    node = document
    for part in path:
        if isinstance(node, str):
            node = claims(node)
        if not isinstance(node, Mapping) or part not in node:
            return _MISSING
        node = node[part]
    return node


def claims(token: str) -> dict[str, Any] | None:
    """Return the claims of a JSON Web Token without checking its signature; None for any other text."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        body = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _parse(spec: CredentialFile, data: bytes) -> Any:
    try:
        text = data.decode("utf-8")
        if spec.format == "json":
            return json.loads(text)
        if spec.format == "toml":
            import tomllib

            return tomllib.loads(text)
        if spec.format == "yaml":
            return yaml.plain(yaml.load(text, name=spec.path))
        return _variables(text)
    except (ValueError, RecursionError, yaml.YAMLError):
        hint = "sign in again; if it stays so, the vendor changed it"
        raise CredentialShapeError(f"{spec.path}: not readable as {spec.format}", hint=hint) from None


def _variables(text: str) -> dict[str, str]:
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            found[name.strip()] = value.strip().strip("\"'")
    return found


def _checked(spec: CredentialFile, name: str, path: tuple[str, ...], value: Any) -> Any:
    if name in SECRET_FIELDS:
        fits = isinstance(value, str) and 0 < len(value) <= MAX_VALUE and value.isascii() and value.isprintable()
        return value if fits else _odd(spec, path, value, "a token")
    if name == "expires_at":
        moment = _moment(value)
        return moment if moment is not None else _odd(spec, path, value, "a time")
    if isinstance(value, str | int | float) and len(str(value)) <= MAX_VALUE:
        return value
    if isinstance(value, list) and len(value) <= 64 and all(isinstance(item, str) for item in value):
        return value
    return _odd(spec, path, value, "a text, a number or a list of texts")


def _moment(value: Any) -> int | None:
    """Return seconds since the epoch for what vendors write: seconds, milliseconds, or RFC 3339."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            return int(datetime.fromisoformat(value).timestamp())
        except (ValueError, OverflowError):
            return None
    if isinstance(value, int | float) and math.isfinite(value) and 0 <= value < 1e15:
        return int(value / 1000 if value > 1e11 else value)
    return None


def _odd(spec: CredentialFile, path: tuple[str, ...], value: Any, wanted: str) -> Any:
    found = "an empty text" if value == "" else f"a {type(value).__name__}"
    if value is _MISSING or value is None:
        found = "nothing"
    hint = "the vendor may have changed the file; `credential_files` of the agent's YAML file says where keys are"
    raise CredentialShapeError(f"{spec.path}: {'.'.join(path)}: {wanted} is needed, {found} was found", hint=hint)


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
        return node if match is None else values.get(match[1], _MISSING)
    if isinstance(node, list):
        return [item for item in (_fill(item, values) for item in node) if item is not _MISSING]
    if not isinstance(node, Mapping):
        return node
    filled = {key: value for key, item in node.items() if (value := _fill(item, values)) is not _MISSING}
    return _unsigned(filled["$jwt"]) if set(filled) == {"$jwt"} else filled


def _unsigned(body: Any) -> str:
    """Return a JSON Web Token that every client can read and no server accepts."""
    parts = ({"alg": "none", "typ": "JWT"}, body)
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return ".".join((*encoded, "cGhhbnRvbQ"))
