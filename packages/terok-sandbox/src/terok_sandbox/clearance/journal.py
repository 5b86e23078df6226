"""Clearance requests on disk: the journal of the queue, and the answers that the agent can read."""

from __future__ import annotations

import json
import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from terok_util import TerokError, atomic_write, ensure_dir, write_sensitive_file
from terok_util.text import safe_text

from terok_sandbox.audit import timestamp
from terok_sandbox.clearance.errors import ClearanceError
from terok_sandbox.clearance.model import ClearanceRequest, Verdict, text_of
from terok_sandbox.clearance.queue import ClearanceQueue

_log = logging.getLogger(__name__)

JOURNAL_FILE: Final = "clearance.jsonl"
ANSWERS_FILE: Final = "answers.jsonl"
MAX_BYTES: Final = 1024 * 1024  # size at which the journal is written anew with what still counts
_MAX_READ: Final = 4 * MAX_BYTES
MAX_ANSWERS: Final = 50  # rows of answers kept; the oldest goes first


class RequestJournal:
    """The queue of one container as JSON lines, replayed when its gateway starts again; it has one writing process.

    Openings are kept by the shield, not here, so that replay never opens anything. The kernel has a row when its method
    returns: it outlives the process, not a power cut. A torn line is skipped, and its question asked again.
    """

    def __init__(self, path: Path, queue: ClearanceQueue) -> None:
        self._path = path
        self._queue = queue
        self._fd = -1

    def replay(self, now: float) -> None:
        """Bring the queue to where it was, then write the journal anew; raises `ClearanceError`."""
        try:
            replay(self._lines(), self._queue)
            self._queue.expire(now)
            self._compact()
        except (OSError, TerokError) as error:
            raise ClearanceError(f"{self._path}: {error}", hint="look at the file, or move it away") from error

    def add_request(self, request: ClearanceRequest) -> None:
        """Append a new question."""
        self._append({"kind": "request", **request.to_json()})

    def add_verdict(self, request: ClearanceRequest, verdict: Verdict, now: float) -> None:
        """Append an answer."""
        answer = {"target": str(request.target), "verdict": verdict.to_json(), "time": now}
        self._append({"kind": "verdict", "id": request.id, **answer})

    def add_expiry(self, request: ClearanceRequest) -> None:
        """Append that a question has expired."""
        self._append({"kind": "ended", "id": request.id})

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _append(self, row: dict[str, Any]) -> None:
        line = (json.dumps(row, separators=(",", ":")) + "\n").encode("ascii")
        try:
            # The file is rewritten before it would grow beyond what a replay reads.
            if os.fstat(self._ready()).st_size + len(line) > MAX_BYTES:
                self._compact()
            if os.write(self._ready(), line) != len(line):
                raise ClearanceError(f"{self._path}: a row was written only in part", hint="free some disk space")
        except (OSError, TerokError) as error:
            raise ClearanceError(f"{self._path}: {error}", hint="free some disk space") from error

    def _ready(self) -> int:
        if self._fd < 0:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._fd = os.open(self._path, flags, 0o600)
        return self._fd

    def _compact(self) -> None:
        self.close()
        lines = [json.dumps(row, separators=(",", ":")) for row in snapshot(self._queue)]
        write_sensitive_file(self._path, "".join(f"{line}\n" for line in lines))

    def _lines(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                yield from file.read(_MAX_READ).splitlines()
        except FileNotFoundError:
            return


def snapshot(queue: ClearanceQueue) -> Iterator[dict[str, Any]]:
    """Yield the fewest rows that replay to `queue`."""
    for domain in queue.domains:
        yield {"kind": "domain", "domain": domain}
    for request in queue.waiting:
        yield {"kind": "request", **request.to_json()}


def replay(lines: Iterable[bytes], queue: ClearanceQueue) -> None:
    """Apply the rows of a journal in order; unreadable rows are skipped."""
    skipped = 0
    for line in lines:
        try:
            row = json.loads(line)
            if isinstance(row, dict):
                _apply(row, queue)
        except (ValueError, RecursionError, ClearanceError):
            skipped += 1
    if skipped:
        _log.warning("%d unreadable rows of the clearance journal are skipped", skipped)


def _apply(row: dict[str, Any], queue: ClearanceQueue) -> None:
    kind = row.get("kind")
    if kind == "request":
        queue.restore_request(ClearanceRequest.from_json(row))
    elif kind == "domain":
        queue.restore_domain(text_of(row, "domain", 253))
    elif kind in ("ended", "verdict"):
        queue.restore_end(text_of(row, "id", 64))


class Answers:
    """The file of last questions and answers that the agent can read, replaced whole; a failure is only logged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: deque[str] = deque(maxlen=MAX_ANSWERS)

    def add_question(self, request: ClearanceRequest) -> None:
        """Add that a person was asked."""
        self._add(request, "waiting", reason="a person was asked; try again later")

    def add_expiry(self, request: ClearanceRequest) -> None:
        """Add that nobody has answered."""
        self._add(request, "expired", reason="nobody has answered: it stays denied")

    def add_answer(self, request: ClearanceRequest, verdict: Verdict) -> None:
        """Add the verdict of a person, and the reason."""
        self._add(request, verdict.action, span=verdict.span, reason=verdict.reason)

    def write(self) -> None:
        """Write the file as it is now."""
        try:
            ensure_dir(self._path.parent)
            atomic_write(self._path, "".join(f"{row}\n" for row in self._rows), mode=0o644, durable=False)
        except (OSError, TerokError) as error:
            _log.warning("%s: %s", self._path, error)

    def _add(self, request: ClearanceRequest, answer: str, *, reason: str, span: str = "") -> None:
        row = {"time": timestamp(), "target": safe_text(str(request.target)), "answer": answer}
        row |= {"span": span} if span else {}
        self._rows.append(json.dumps(row | {"reason": reason}, separators=(",", ":")))
        self.write()
