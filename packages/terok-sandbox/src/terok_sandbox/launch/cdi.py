"""The devices that the host describes for containers (Container Device Interface)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from terok_util import TerokError, read_file
from terok_util import yaml as terok_yaml

from terok_sandbox.errors import GpuConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

DIRECTORIES: Final = (Path("/etc/cdi"), Path("/var/run/cdi"))
"""Where Podman looks for descriptions."""
MAX_SIZE: Final = 1024 * 1024

_KIND: Final = re.compile(r"[a-z0-9.-]{1,63}/[a-z0-9_-]{1,63}\Z")
_DEVICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}\Z")


def installed_cdi_devices(directories: Iterable[Path] = DIRECTORIES) -> frozenset[str]:
    """Return the full names (``nvidia.com/gpu=0``) of every described device; GpuConfigError for a broken file."""
    found: set[str] = set()
    for directory in directories:
        for path in sorted((*directory.glob("*.json"), *directory.glob("*.yaml"))):
            found |= read_description(_load(path))
    return frozenset(found)


def read_description(document: Any) -> set[str]:
    """Return the device names of one parsed description; what has no proper name is left out."""
    if not isinstance(document, dict) or not isinstance(document.get("devices"), list):
        return set()
    kind = document.get("kind")
    if not isinstance(kind, str) or not _KIND.match(kind):
        return set()
    names = [entry.get("name") for entry in document["devices"] if isinstance(entry, dict)]
    return {f"{kind}={name}" for name in names if isinstance(name, str) and _DEVICE.match(name)}


def _load(path: Path) -> Any:
    try:
        text = read_file(path, MAX_SIZE).decode()
        return json.loads(text) if path.suffix == ".json" else terok_yaml.load(text)
    except (OSError, ValueError, RecursionError, TerokError, terok_yaml.YAMLError) as error:
        raise GpuConfigError(
            f"{path}: cannot be read: {' '.join(str(error).split())[:200]}", hint="generate the file again"
        ) from error
