"""Record what a person decided about the branches of a mirror: reviewed, or rejected with a note.

The record is beside the mirror, where the process that takes pushes cannot write. That process reads rejections from a
copy inside the mirror.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from terok_util import FileLock, atomic_write, ensure_dir, read_file
from terok_util.values import lean_dataclass

from terok_sandbox.gate.errors import MirrorError
from terok_sandbox.gate.layout import reviews_path

SCHEMA: Final = 1
MAX_NOTE: Final = 4000
_REJECTIONS: Final = "rejections.json"
_MAX_SIZE: Final = 16 * 1024 * 1024
_HEX: Final = frozenset("0123456789abcdef")


@lean_dataclass(frozen=True, slots=True)
class ReviewMark:
    """A person's decision about one branch at one commit.

    `target` and `target_tip` are the upstream branch that the person compared with, as it was then (None: the
    upstream had none); `base` is the commit after which everything was shown (None: everything); `flags` is how
    many findings were shown; `time` is RFC 3339.
    """

    branch: str
    tip: str
    target: str | None = None
    target_tip: str | None = None
    base: str | None = None
    flags: int = 0
    rejected: bool = False
    note: str = ""
    time: str = ""


def read_marks(mirror: Path) -> dict[str, ReviewMark]:
    """Return the decisions by branch; `MirrorError` when they cannot be read."""
    file = _file(mirror)
    if not file.exists() and (before := mirror.with_suffix(".verdicts.json")).exists():
        file = before  # of an earlier version; the record of a scope that ends in ".verdicts" has this name too
    try:
        with file.open("rb") as stream:
            document = json.loads(stream.read(_MAX_SIZE))
        if "scope" in document:
            return {}
        if document["schema"] != SCHEMA:
            raise MirrorError(f"{file}: was written by another version")
        return {branch: _mark(branch, raw) for branch, raw in document["branches"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MirrorError(f"{file}: the record of reviews cannot be read", hint=f"remove {file}") from error


def read_rejections(mirror: Path) -> dict[str, tuple[str, str]]:
    """Return tip and note of the rejected branches, as far as they can be read."""
    try:
        rejections = json.loads(read_file(mirror / _REJECTIONS, _MAX_SIZE))
        return {str(branch): (str(tip), str(note)) for branch, (tip, note) in rejections.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def record_mark(mirror: Path, mark: ReviewMark) -> None:
    """Record a decision, in place of an earlier one about the same branch."""
    with _lock(mirror):
        _write(mirror, {**read_marks(mirror), mark.branch: mark})


def forget_mark(mirror: Path, branch: str) -> None:
    """Forget the decision about a branch, if there is one."""
    with _lock(mirror):
        marks = read_marks(mirror)
        if marks.pop(branch, None) is not None:
            _write(mirror, marks)


def timestamp() -> str:
    """Return the present moment as `ReviewMark.time` has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _lock(mirror: Path) -> FileLock:
    return FileLock(ensure_dir(reviews_path(mirror), 0o700) / "marks.lock", timeout=20.0)


def _write(mirror: Path, marks: Mapping[str, ReviewMark]) -> None:
    branches = {branch: asdict(mark) for branch, mark in marks.items()}
    text = json.dumps({"schema": SCHEMA, "branches": branches}, indent=1, sort_keys=True)
    atomic_write(_file(mirror), text + "\n", mode=0o600)
    rejections = {mark.branch: [mark.tip, mark.note] for mark in marks.values() if mark.rejected}
    atomic_write(mirror / _REJECTIONS, json.dumps(rejections) + "\n", mode=0o600)


def _file(mirror: Path) -> Path:
    return reviews_path(mirror) / "marks.json"


def _mark(branch: str, raw: dict[str, Any]) -> ReviewMark:
    mark = ReviewMark(**raw)
    if (
        mark.branch != branch
        or len(mark.tip) not in (40, 64)
        or not _HEX.issuperset(mark.tip)
        or not isinstance(mark.note, str)
    ):
        raise ValueError(branch)
    return mark
