"""The lock: pinned checksums of the ingredients of images. A user's lock file is merged over the bundled one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path

from terok_util import namespace_config_dir, read_file
from terok_util.values import lean_dataclass

from terok_executor.errors import RosterFileError
from terok_executor.paths import RESOURCES
from terok_executor.roster.install import DownloadStage, NpmStage, PipStage

LOCK_FILE = "lock.json"
ARCHITECTURES = ("x64", "arm64")
_INTEGRITY = re.compile(r"sha512-[A-Za-z0-9+/]{86}==")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MAX_BYTES = 4 * 1024 * 1024


@lean_dataclass(frozen=True, slots=True)
class Lock:
    """Checksums of npm packages, of pip's packages for a requirement, and of files.

    npm packages are named `NAME@VERSION`, files by their address, pip's packages by kind of machine (`MACHINE-PYTHON`,
    such as `x86_64-3.13`) and `NAME==VERSION`.
    """

    npm: Mapping[str, str] = field(default_factory=dict)
    pip: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    def packages(self, stage: NpmStage, version: str) -> dict[str, dict[str, str | None]]:
        """Return the packages of a stage by architecture, with the pinned checksum if there is one."""
        return {
            arch: {name: self.npm.get(name) for name in package_names(stage, version, arch)} for arch in ARCHITECTURES
        }

    def pip_files(self, requirements: Iterable[str]) -> dict[str, str]:
        """Return requirement files with a checksum for every package, by kind of machine; none if nothing is pinned."""
        pinned = self.pip.get(" ".join(requirements), {})
        lines = {
            kind: [f"{name} --hash={digest}" for name, digest in sorted(sums.items())] for kind, sums in pinned.items()
        }
        return {kind: "\n".join(["--require-hashes", *hashed, ""]) for kind, hashed in lines.items()}

    def over(self, other: Lock) -> Lock:
        """Return this lock laid over another."""
        return Lock({**other.npm, **self.npm}, {**other.pip, **self.pip}, {**other.files, **self.files})

    def text(self) -> str:
        """Return the file's content."""
        return json.dumps({"npm": self.npm, "pip": self.pip, "files": self.files}, indent=1, sort_keys=True) + "\n"


def package_names(stage: NpmStage, version: str, arch: str) -> list[str]:
    """Return `NAME@VERSION` of every package of a stage."""
    return [text.replace("{version}", version).replace("{arch}", arch) for text in stage.packages]


def download_urls(stage: DownloadStage, version: str) -> dict[str, str]:
    """Return the address of a stage's file by architecture."""
    return {arch: stage.url.replace("{version}", version).replace("{arch}", arch) for arch in ARCHITECTURES}


def pip_requirements(stage: PipStage, version: str) -> list[str]:
    """Return `NAME==VERSION` of each requirement of a stage."""
    return [text.replace("{version}", version) for text in stage.requirements]


def load_lock(user_file: Path | None = None) -> Lock:
    """Read the bundled lock and the user's over it; RosterFileError if one is damaged."""
    lock = parse_lock(f"bundled {LOCK_FILE}", (RESOURCES / LOCK_FILE).read_bytes())
    path = user_file if user_file is not None else namespace_config_dir() / LOCK_FILE
    if path.exists():
        try:
            return parse_lock(str(path), read_file(path, _MAX_BYTES)).over(lock)
        except OSError as error:
            raise RosterFileError(f"{path}: cannot be read: {error.strerror}") from None
    return lock


def parse_lock(origin: str, content: bytes) -> Lock:
    """Return the checksums of a lock file's content; RosterFileError names the entry that is wrong."""
    hint = "remove the file, or write it anew with `terok-executor agents update`"
    try:
        data = json.loads(content) if len(content) <= _MAX_BYTES else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or not set(data) <= {"npm", "pip", "files"}:
        raise RosterFileError(f"{origin}: not a lock file", hint=hint)
    lock = Lock(data.get("npm", {}), data.get("pip", {}), data.get("files", {}))
    try:
        sums: list[tuple[str, object, re.Pattern[str]]] = []
        sums += [(name, checksum, _INTEGRITY) for name, checksum in lock.npm.items()]
        sums += [(name, checksum, _DIGEST) for name, checksum in lock.files.items()]
        for requirement, kinds in lock.pip.items():
            for kind, packages in kinds.items():
                names = " ".join([*requirement.split(), kind, *packages])
                sums += [(name, checksum, _DIGEST) for name, checksum in packages.items()]
                if not re.fullmatch(r"[A-Za-z0-9._+= -]+", names):
                    raise RosterFileError(f"{origin}: {requirement[:60]!r}: not names of packages", hint=hint)
    except AttributeError:
        raise RosterFileError(f"{origin}: not a lock file", hint=hint) from None
    for name, checksum, shape in sums:
        if not isinstance(checksum, str) or not shape.fullmatch(checksum):
            raise RosterFileError(f"{origin}: {name}: not a checksum", hint=hint)
    return lock
