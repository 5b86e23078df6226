"""The devices that the host describes for containers (Container Device Interface)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from terok_util import TerokError, read_file
from terok_util import yaml as terok_yaml

from terok_sandbox.errors import GpuConfigError
from terok_sandbox.launch.gpu import GPU_VENDORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DIRECTORIES: Final = (Path("/etc/cdi"), Path("/var/run/cdi"))
"""Where Podman looks for descriptions."""
MAX_SIZE: Final = 1024 * 1024

_KIND: Final = re.compile(r"[a-z0-9.-]{1,63}/[a-z0-9_-]{1,63}\Z")
_DEVICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}\Z")


def installed_cdi_devices(directories: Iterable[Path] = DIRECTORIES) -> frozenset[str]:
    """Return the full names (`nvidia.com/gpu=0`) of every described device; GpuConfigError for a broken file."""
    return frozenset(name for document in _descriptions(directories) for name in read_description(document))


def cdi_grants(directories: Iterable[Path] = DIRECTORIES) -> tuple[str, ...]:
    """Return what every description of GPUs gives to a container; errors as above."""
    return tuple(sorted({one for document in _descriptions(directories) for one in granted(document)}))


def granted(document: Any) -> set[str]:
    """Return paths of nodes and mounts, and names of variables, that one parsed description of GPUs gives out."""
    if not isinstance(document, dict) or document.get("kind") not in [f"{vendor}.com/gpu" for vendor in GPU_VENDORS]:
        return set()
    owners = [document, *(document.get("devices") or ())]
    found: set[str] = set()
    for edits in (owner.get("containerEdits") for owner in owners if isinstance(owner, dict)):
        if isinstance(edits, dict):
            places = [one for key in ("deviceNodes", "mounts") for one in edits.get(key) or () if isinstance(one, dict)]
            found |= {str(one[key]) for one in places for key in ("path", "hostPath", "containerPath") if key in one}
            found |= {str(setting).partition("=")[0] for setting in edits.get("env") or ()}
    return found


def read_description(document: Any) -> set[str]:
    """Return the device names of one parsed description; what has no proper name is left out."""
    if not isinstance(document, dict) or not isinstance(document.get("devices"), list):
        return set()
    kind = document.get("kind")
    if not isinstance(kind, str) or not _KIND.match(kind):
        return set()
    names = [entry.get("name") for entry in document["devices"] if isinstance(entry, dict)]
    return {f"{kind}={name}" for name in names if isinstance(name, str) and _DEVICE.match(name)}


def _descriptions(directories: Iterable[Path]) -> Iterator[Any]:
    for directory in directories:
        for path in sorted((*directory.glob("*.json"), *directory.glob("*.yaml"))):
            yield _load(path)


def _load(path: Path) -> Any:
    try:
        text = read_file(path, MAX_SIZE).decode()
        return json.loads(text) if path.suffix == ".json" else terok_yaml.load(text)
    except (OSError, ValueError, RecursionError, TerokError, terok_yaml.YAMLError) as error:
        raise GpuConfigError(
            f"{path}: cannot be read: {' '.join(str(error).split())[:200]}", hint="generate the file again"
        ) from error
