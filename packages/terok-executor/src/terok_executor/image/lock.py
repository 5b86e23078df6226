"""The lock: pinned checksums of what images are made of. A user's lock file is merged over the bundled one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from terok_util import namespace_config_dir

from terok_executor.errors import RosterError
from terok_executor.roster.types import NpmStage

LOCK_FILE = "lock.json"
ARCHITECTURES = ("x64", "arm64")
_INTEGRITY = re.compile(r"sha512-[A-Za-z0-9+/]{86}==")
_MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Lock:
    """Checksums by ``NAME@VERSION``."""

    npm: Mapping[str, str] = field(default_factory=dict)

    def packages(self, stage: NpmStage, version: str) -> dict[str, dict[str, str | None]]:
        """Return what a stage fetches, by architecture, with the pinned checksum where there is one."""
        return {
            arch: {name: self.npm.get(name) for name in package_names(stage, version, arch)} for arch in ARCHITECTURES
        }

    def text(self) -> str:
        """Return the file's content."""
        return json.dumps({"npm": dict(sorted(self.npm.items()))}, indent=1) + "\n"


def package_names(stage: NpmStage, version: str, arch: str) -> list[str]:
    """Return ``NAME@VERSION`` of every package of a stage."""
    return [text.replace("{version}", version).replace("{arch}", arch) for text in stage.packages]


def load_lock(user_file: Path | None = None) -> Lock:
    """Read the bundled lock and the user's over it; RosterError if one is damaged."""
    bundled = (files("terok_executor") / "resources" / LOCK_FILE).read_bytes()
    entries = parse_lock(f"bundled {LOCK_FILE}", bundled)
    path = user_file if user_file is not None else namespace_config_dir() / LOCK_FILE
    if path.exists():
        try:
            entries |= parse_lock(str(path), path.read_bytes())
        except OSError as error:
            raise RosterError(f"{path}: cannot be read: {error.strerror}") from None
    return Lock(entries)


def parse_lock(origin: str, content: bytes) -> dict[str, str]:
    """Return the checksums of a lock file's content; RosterError names the entry that is wrong."""
    hint = "remove the file, or write it anew with `terok-executor agents update`"
    try:
        data = json.loads(content) if len(content) <= _MAX_BYTES else None
    except (ValueError, RecursionError):
        data = None
    entries = data.get("npm") if isinstance(data, dict) and set(data) <= {"npm"} else None
    if not isinstance(entries, dict):
        raise RosterError(f"{origin}: not a lock file", hint=hint)
    for name, integrity in entries.items():
        if not isinstance(integrity, str) or not _INTEGRITY.fullmatch(integrity):
            raise RosterError(f"{origin}: {name}: not a sha512 checksum", hint=hint)
    return entries
