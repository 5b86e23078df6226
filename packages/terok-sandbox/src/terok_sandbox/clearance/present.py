"""A question in words, for a terminal and for a notification. Every text in it may have been chosen by a container."""

from __future__ import annotations

from html import escape
from typing import Final

from terok_util.text import safe_text

from terok_sandbox.clearance.events import ClearanceEvent
from terok_sandbox.clearance.lookalike import warning
from terok_sandbox.clearance.model import ClearanceRequest

MAX_LINE: Final = 300
_MARKUP: Final = str.maketrans({"<": "(", ">": ")", "&": "+"})


def headline(request: ClearanceRequest) -> str:
    """Return who wants to reach what, in one safe line; the registrable domain stands first."""
    return safe_text(f"{request.container} wants {request.domain}", limit=MAX_LINE)


def details(request: ClearanceRequest) -> list[str]:
    """Return the facts that a person should know before answering, one safe line each."""
    target = request.target
    lines = [f"target: {target}" + (f" ({target.address})" if target.name and target.address else "")]
    lines.append(f"opens: {target.services}")
    if request.program:
        lines.append(f"asked by a program that calls itself {request.program!r}")
    if request.punycode:
        lines.append(f"WARNING: {warning(target.name)}")
    if request.first_time:
        lines.append(f"first request for {request.domain} by this container")
    if request.count > 1:
        lines.append(f"asked {request.count} times")
    lines.append(f"refused because: {request.why}")
    lines += [f"{key}: {value}" for key, value in request.dossier.items()]
    return [safe_text(line, limit=MAX_LINE) for line in lines]


def outcome(event: ClearanceEvent) -> str:
    """Return how a question ended, in one safe line."""
    what = str(event.request.target) if event.request is not None else event.request_id
    words = {"allow": "allowed", "deny": "denied", "expired": "expired unanswered, stays denied"}
    span = f" {event.verdict.span}" if event.verdict is not None else ""
    return safe_text(f"{event.container}: {what}: {words.get(event.outcome, event.outcome)}{span}", limit=MAX_LINE)


def plain(text: str) -> str:
    """Return safe text without the characters of markup, for daemons and fields that should not read any."""
    return safe_text(text, limit=MAX_LINE).translate(_MARKUP)


def body(request: ClearanceRequest, *, markup: bool) -> str:
    """Return the body of a notification; with `markup` the daemon reads it as such and it is escaped."""
    lines = details(request)
    return "\n".join(escape(line) if markup else plain(line) for line in lines)
