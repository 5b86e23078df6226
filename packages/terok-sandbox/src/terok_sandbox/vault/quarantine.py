"""Whether the container is in quarantine: the broker then answers nothing, as the shield lets nothing out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from terok_sandbox.errors import ShieldError
from terok_sandbox.values.posture import read_posture
from terok_sandbox.vault.refusal import Refusal

if TYPE_CHECKING:
    from pathlib import Path

Stamp = tuple[int, int, int]

_REFUSED = Refusal(
    403, "quarantined", "the container is in quarantine", "a person ends it with `terok-sandbox shield up NAME`"
)


class Quarantine:
    """Looks at the file where the shield keeps its posture; None for a container without one."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._stamp: Stamp | None = None
        self._refusal: Refusal | None = None

    def refusal(self) -> Refusal | None:
        """Return what every request is answered with, or None; a damaged file counts as a quarantine."""
        if self._path is None:
            return None
        if (stamp := stamp_of(str(self._path))) != self._stamp:
            self._stamp, self._refusal = stamp, self._read(self._path)
        return self._refusal

    def _read(self, path: Path) -> Refusal | None:
        try:
            return _REFUSED if read_posture(path)[0] == "quarantine" else None
        except ShieldError as error:
            return Refusal(403, "quarantined", error.message, error.hint)


def stamp_of(path: str | None) -> Stamp | None:
    """Return what changes with a file, None if there is none."""
    if path is None:
        return None
    try:
        status = os.stat(path)  # noqa: PTH116 - for each request, and pathlib triples its cost
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
