"""The evidence of a panic: a chained log of what was found and done, and the logs of every container beside it."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from terok_util import ensure_dir

from terok.integrations.sandbox import AuditLog, read_audit, verify_audit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LOG: Final = "evidence.jsonl"
KEPT: Final = (
    *("vault-audit.jsonl", "vault-audit.jsonl.1", "supervisor.log", "hook.log"),
    *("gateway/shield-audit.jsonl", "gateway/shield-audit.jsonl.1", "gateway/shield-live.json"),
    *("gateway/gate-audit.jsonl", "gateway/gate-audit.jsonl.1"),
)
"""Files of a container's state directory that say what it did; those that are there are kept."""
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Sealed:
    """The state of a bundle: `head` is the hash of its last row, to be compared by whoever wrote it down."""

    path: str
    rows: int
    head: str
    problems: tuple[str, ...]


class Evidence:
    """One bundle, which only its owner can read; every row is on disk when `write` returns."""

    def __init__(self, directory: Path) -> None:
        self.directory = ensure_dir(directory)
        self._log = AuditLog(directory / LOG, durable=True)

    def write(self, action: str, **fields: object) -> None:
        """Append a row; AuditError if that fails."""
        self._log.append(action, **fields)

    def write_all(self, action: str, rows: Iterable[dict[str, object]]) -> None:
        """Append rows of one kind with one call."""
        self._log.append_rows([self._log.row(action, row) for row in rows])

    def keep_logs(self, container: str, state_dir: Path) -> list[dict[str, object]]:
        """Keep a container's logs, which outlive it here, and return name, size and hash of each."""
        return [*self._kept(container, state_dir)]

    def _kept(self, container: str, state_dir: Path) -> Iterator[dict[str, object]]:
        for name in KEPT:
            source = state_dir / name
            if not source.is_file() or source.is_symlink():
                continue
            target = ensure_dir(self.directory / container) / source.name
            target.unlink(missing_ok=True)
            shutil.copyfile(source, target)  # a supervisor writes its last words while it ends
            target.chmod(0o600)
            yield {"container": container, "file": f"{container}/{source.name}", **_digest(target)}

    def seal(self) -> Sealed:
        """Close the log and return its head."""
        self._log.close()
        return check_evidence(self.directory)


def check_evidence(directory: Path) -> Sealed:
    """Check the chain of a bundle, and that the files it names are as they were."""
    report = verify_audit(directory / LOG)
    problems = [*report.problems, *_changed(directory)]
    return Sealed(str(directory), report.rows, report.head, tuple(problems))


def _changed(directory: Path) -> Iterator[str]:
    last: dict[str, Any] = {str(row["file"]): row for row in read_audit(directory / LOG) if row.get("action") == "log"}
    for name, row in last.items():
        place = directory / name
        if not place.is_relative_to(directory) or ".." in place.parts:
            yield f"{name}: not a file of the bundle"
            continue
        try:
            found = _digest(place)
        except OSError as error:
            yield f"{name}: {error.strerror}"
            continue
        if any(found[key] != row.get(key) for key in found):
            yield f"{name}: was changed afterwards"


def _digest(path: Path) -> dict[str, object]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return {"bytes": size, "sha256": digest.hexdigest()}
