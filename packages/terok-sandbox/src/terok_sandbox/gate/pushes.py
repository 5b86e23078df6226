"""Pushes as facts: what an inspection reports to the gateway, what became of it, and what was pushed before."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from terok_util.text import safe_text

from terok_sandbox.gate.inspect.policy import Finding
from terok_sandbox.gate.inspect.report import Report, to_sarif
from terok_sandbox.gate.invoke import pusher
from terok_sandbox.gate.refs import HEADS, TAGS, ref_tip
from terok_sandbox.values.facts import Inside, Push, PushState

MAX_TOLD: Final = 64
"""Refs of one push that are told of; together they fit into a pipe."""
MAX_FOUND: Final = 20
"""Findings of one push that are told of one by one."""
MAX_LOGS: Final = 2000
MAX_REPORT: Final = 64 * 1024
_ROOM: Final = 32 * 1024
"""Bytes of a report up to which the findings go into it one by one."""
_TEXT: Final = 300
_FIELDS: Final = ("rule", "path", "detail", "line", "commit")
_TAIL: Final = 4096
_ENTRY: Final = re.compile(
    rb"[0-9a-f]{40,64} (?P<new>[0-9a-f]{40,64}) [^<\n]*<(?P<who>[^>\n]*)> (?P<at>\d{1,12}) [+-]\d{4}"
)


@dataclass(frozen=True, slots=True)
class PushReport:
    """The outcome of one inspection: (new object, ref) of each change, empty for a deletion's."""

    accepted: bool
    updates: tuple[tuple[str, str], ...] = ()
    findings: int = 0
    reason: str = ""
    found: tuple[Finding, ...] = ()
    """The first of the findings."""

    def to_bytes(self) -> bytes:
        """Return what fits into a pipe at once."""
        updates = [(new if new.strip("0") else "", ref) for new, ref in self.updates[:MAX_TOLD]]
        found = [
            (one.rule, one.path[:_TEXT], one.detail[:_TEXT], one.line, one.commit) for one in self.found[:MAX_FOUND]
        ]
        said = [self.accepted, updates, self.findings, self.reason[:1000]]
        data = json.dumps([*said, found]).encode()
        return data if len(data) <= _ROOM else json.dumps([*said, []]).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> PushReport | None:
        """Return the report of an inspection, None when it has ended without any."""
        with suppress(ValueError, TypeError, RecursionError):
            accepted, updates, findings, reason, found = json.loads(data)
            rows = tuple((str(new), str(ref)) for new, ref in updates[:MAX_TOLD])
            told = tuple(_finding(*one) for one in found[:MAX_FOUND])
            if type(findings) is int:
                return cls(accepted is True, rows, findings, str(reason), told)
        return None

    def facts(self, state: PushState) -> Iterator[Push]:
        """Yield a fact for each ref, with its state so far."""
        for new, ref in self.updates:
            yield self._fact(new, ref, state, self.reason)

    def rows(self, outcome: Iterable[Push]) -> Iterator[dict[str, object]]:
        """Yield the audit row of each ref: what became of it, and what was found in the push."""
        found = [
            {
                "rule": one.rule,
                "path": safe_text(one.path),
                "line": one.line,
                "detail": safe_text(one.detail),
                "commit": one.commit,
            }
            for one in self.found
        ]
        for push in outcome:
            row = {"ref": push.ref, "verdict": push.state, "commit": push.commit, "reason": push.reason}
            yield {**row, "findings": push.findings, "found": found}

    def outcome(self, mirror: Path) -> Iterator[Push]:
        """Yield what became of each ref, when git has ended: the mirror's refs say so."""
        for new, ref in self.updates:
            if not self.accepted:
                yield self._fact(new, ref, "refused", self.reason)
            elif ref_tip(mirror, ref) == new:
                yield self._fact(new, ref, "landed", self.reason)
            else:
                yield self._fact(new, ref, "refused", "git did not take it")

    def _fact(self, new: str, ref: str, state: PushState, reason: str) -> Push:
        return Push(
            at=time.time(),
            ref=Inside(ref.encode("utf-8", "surrogateescape")),
            state=state,
            commit=new,
            findings=self.findings,
            reason=Inside(reason),
        )


def _finding(rule: object, path: object, detail: object, line: object, commit: object) -> Finding:
    return Finding(str(rule), str(path), str(detail), line if type(line) is int else None, str(commit))


def findings_sarif(report: Report | None, rows: Iterable[Mapping[str, Any]], *, version: str) -> dict[str, Any]:
    """Return the findings of a review, and of the refused pushes in rows of a gate's audit log, each once, as SARIF.

    `version` is this program's.
    """
    seen = report or Report()
    refused = dict.fromkeys(seen.refused)
    for row in rows:
        if row.get("verdict") == "refused" and isinstance(row.get("found"), list):
            told = [one for one in row["found"] if isinstance(one, dict)]
            refused |= dict.fromkeys(_finding(*(one.get(field, "") for field in _FIELDS)) for one in told)
    return to_sarif(Report(tuple(refused), seen.flagged), version=version)


def earlier_pushes(mirror: Path, container: str, since: float) -> list[Push]:
    """Return the last push of each ref that a container made, oldest first, as the mirror's reflogs say.

    Before `since` (seconds since the epoch) another one may have had its name.
    """
    logs = mirror / "logs"
    found = []
    for prefix in (HEADS, TAGS):
        for path in islice((logs / prefix).rglob("*"), MAX_LOGS):
            with suppress(OSError, ValueError):
                entry = _last_by(path, pusher(container).encode()) if path.is_file() else None
                if entry is not None and int(entry["at"]) >= int(since):
                    ref = Inside(os.fsencode(path.relative_to(logs)))
                    commit = entry["new"].decode()
                    found.append(Push(at=float(entry["at"]), ref=ref, state="landed", commit=commit))
    return sorted(found, key=lambda push: push.at)


def _last_by(path: Path, who: bytes) -> re.Match[bytes] | None:
    """Return the last entry of a reflog that `who` made, as far as its end shows it."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - _TAIL))
        lines = file.read(_TAIL).splitlines()
    entries = (_ENTRY.match(line) for line in reversed(lines))
    return next((entry for entry in entries if entry is not None and entry["who"] == who), None)
