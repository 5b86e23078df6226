"""What the agent can read: the last questions about its container and what became of them."""

from __future__ import annotations

import json
import logging
from collections import deque
from typing import TYPE_CHECKING, Final

from terok_util import TerokError, atomic_write, ensure_dir
from terok_util.text import safe_text

from terok_sandbox.audit import timestamp

if TYPE_CHECKING:
    from pathlib import Path

    from terok_sandbox.clearance.model import ClearanceRequest, Verdict

_log = logging.getLogger(__name__)

FILE: Final = "answers.jsonl"
MAX_ROWS: Final = 50
"""Rows kept; the oldest goes first."""


class Answers:
    """The file `answers.jsonl`, replaced whole with every change. A row that cannot be written is only logged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: deque[str] = deque(maxlen=MAX_ROWS)

    def asked(self, request: ClearanceRequest) -> None:
        """Say that a person was asked."""
        self._add(request, "waiting", why="a person was asked; try again later")

    def expired(self, request: ClearanceRequest) -> None:
        """Say that nobody has answered."""
        self._add(request, "expired", why="nobody has answered: it stays denied")

    def answered(self, request: ClearanceRequest, verdict: Verdict) -> None:
        """Say what a person has decided, and why."""
        self._add(request, verdict.action, span=verdict.span, why=verdict.reason)

    def write(self) -> None:
        """Write the file as it is now."""
        try:
            ensure_dir(self._path.parent)
            atomic_write(self._path, "".join(f"{row}\n" for row in self._rows), mode=0o644, durable=False)
        except (OSError, TerokError) as error:
            _log.warning("%s: %s", self._path, error)

    def _add(self, request: ClearanceRequest, answer: str, *, why: str, span: str = "") -> None:
        row = {"time": timestamp(), "target": safe_text(str(request.target)), "answer": answer}
        row |= {"span": span} if span else {}
        self._rows.append(json.dumps(row | {"reason": why}, separators=(",", ":")))
        self.write()
