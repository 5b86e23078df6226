"""Cache what reviews compute about commits, which never change.

The key of an entry is the ids it was computed from, and a file is valid only for the inspection policy and the rules
that it was written under. The files are beside the mirror, where the process that takes pushes cannot write.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from terok_util import TerokError, atomic_write, ensure_dir

from terok_sandbox.gate.layout import read_policy, reviews_path
from terok_sandbox.version import VERSION

_MAX_SIZE: Final = 2 * 1024 * 1024
_MAX_FILES: Final = 64


def load_cached(mirror: Path, name: str) -> dict[str, Any]:
    """Return the entries stored under `name`; none when they belong to other rules or cannot be read."""
    try:
        document = json.loads((reviews_path(mirror) / "cache" / f"{name}.json").read_bytes())
        return dict(document["entries"]) if document["rules"] == _rules(mirror) else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def store_cached(mirror: Path, name: str, entries: Mapping[str, Any]) -> None:
    """Replace the entries under `name`; nothing is stored when they are too large or the disk is full."""
    text = json.dumps({"rules": _rules(mirror), "entries": entries})
    if len(text) > _MAX_SIZE:
        return
    directory = reviews_path(mirror) / "cache"
    with contextlib.suppress(OSError, TerokError):
        ensure_dir(directory, 0o700)
        atomic_write(directory / f"{name}.json", text, mode=0o600)
        stored = sorted(directory.iterdir(), key=lambda file: file.stat().st_mtime_ns, reverse=True)
        for file in stored[_MAX_FILES:]:
            file.unlink(missing_ok=True)


def _rules(mirror: Path) -> str:
    code = []
    for directory in (Path(__file__).parent, Path(__file__).with_name("inspect")):
        for entry in os.scandir(directory):
            if entry.is_file():
                status = entry.stat()
                code.append((entry.name, status.st_size, status.st_mtime_ns))
    code.sort()
    return f"{VERSION} {code} {(read_policy(mirror) or b'').decode('latin-1')}"
