"""Events as front ends receive them: every text in them is safe to show."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from terok_util.text import safe_text

from terok_sandbox.clearance.errors import BadVerdict, ClearanceError
from terok_sandbox.clearance.model import ClearanceRequest, Verdict

Kind = Literal["request", "resolved", "replayed", "lost", "gone"]
OUTCOMES: Final = ("allow", "deny", "expired")
PROGRAM_SECONDS: Final = 0.1  # processor time for finding the program that asks
_MAX_TABLE: Final = 1 << 20
_MAX_DESCRIPTORS: Final = 1024


@dataclass(frozen=True, slots=True)
class ClearanceEvent:
    """A `request` (new, or seen again), how one was `resolved`, the end of the replay, `lost` lines, or `gone`.

    `gone` comes from a subscriber of several containers: the container's hub has left, its questions with it.
    """

    kind: Kind
    container: str
    request: ClearanceRequest | None = None
    request_id: str = ""
    outcome: str = ""
    verdict: Verdict | None = None
    count: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that `--json` prints."""
        row: dict[str, Any] = {"type": self.kind, "container": self.container}
        if self.request is not None:
            row["request"] = self.request.to_json()
        if self.kind == "resolved":
            row |= {"id": self.request_id, "outcome": self.outcome}
            row |= {} if self.verdict is None else {"verdict": self.verdict.to_json()}
        if self.kind == "lost":
            row["count"] = self.count
        return row


def read_event(container: str, kind: str, fields: Mapping[str, Any]) -> ClearanceEvent | None:
    """Return the event of one line, `None` for a line that is none; raises `ClearanceError`."""
    container = safe_text(container, limit=63)
    if kind == "request":
        request = ClearanceRequest.from_json(fields.get("request"))
        program = program_of(fields.get("client"))
        return ClearanceEvent("request", container, replace(request, container=container, program=program))
    if kind == "replayed":
        return ClearanceEvent("replayed", container)
    if kind == "lost":
        count = fields.get("count")
        return ClearanceEvent("lost", container, count=count if isinstance(count, int) else 0)
    if kind != "resolved":
        return None
    request_id, outcome = fields.get("id"), fields.get("outcome")
    if not isinstance(request_id, str) or outcome not in OUTCOMES:
        raise ClearanceError("resolved: id or outcome are missing")
    try:
        verdict = Verdict.from_json(fields["verdict"]) if "verdict" in fields else None
    except BadVerdict as error:
        raise ClearanceError(error.message) from error
    return ClearanceEvent("resolved", container, None, safe_text(request_id, limit=64), outcome, verdict)


def program_of(client: object) -> str:
    """Return the name of the program behind `client`, empty when it is not found in time.

    A front end looks for it on the host while the question is held, as a gateway may not see other processes. Every
    program chooses its name itself: it is a hint and no more.

    `client` is `[pid, protocol, port]`: the container's first process, as this host numbers it, and the port on the
    container's loopback from which its resolver or proxy was asked.
    """
    match client:
        case [int(pid), "tcp" | "udp" as protocol, int(port)]:
            with suppress(OSError):
                return _program(pid, protocol, port)
    return ""


def _program(pid: int, protocol: str, port: int) -> str:
    end = time.thread_time() + PROGRAM_SECONDS
    if not (sockets := _sockets(pid, protocol, port)):
        return ""
    namespace = Path(f"/proc/{pid}/ns/net").stat().st_ino
    # The program that asks has often just been started.
    newest_first = sorted((int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()), reverse=True)
    for process in (Path(f"/proc/{entry}") for entry in newest_first):
        if time.thread_time() > end:
            break
        with suppress(OSError):  # it has ended, or is another user's
            if (process / "ns/net").stat().st_ino == namespace and _holds(process, sockets):
                return safe_text((process / "comm").read_bytes().strip(), limit=32)
    return ""


def _sockets(pid: int, protocol: str, port: int) -> set[str]:
    names = set()
    for table in (protocol, f"{protocol}6"):
        with Path(f"/proc/{pid}/net/{table}").open() as file:
            for words in map(str.split, file.read(_MAX_TABLE).splitlines()[1:]):
                if len(words) > 9 and words[1].endswith(f":{port:04X}") and words[9] != "0":
                    names.add(f"socket:[{words[9]}]")
    return names


def _holds(process: Path, sockets: set[str]) -> bool:
    with os.scandir(process / "fd") as descriptors:
        for _, descriptor in zip(range(_MAX_DESCRIPTORS), descriptors, strict=False):
            with suppress(OSError):
                if str(Path(descriptor.path).readlink()) in sockets:
                    return True
    return False
