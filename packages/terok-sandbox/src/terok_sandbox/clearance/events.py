"""What a front end hears, parsed: every text in it is safe to show."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from terok_util.text import safe_text

from terok_sandbox.clearance.errors import BadVerdict, ClearanceError
from terok_sandbox.clearance.model import ClearanceRequest, Verdict
from terok_sandbox.clearance.program import program_of

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["request", "resolved", "replayed", "lost", "gone"]
OUTCOMES: Final = ("allow", "deny", "expired")


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
