"""The questions of all containers that run, and answers to them, as a front end without an event loop needs them."""

from __future__ import annotations

from terok_sandbox.clearance.errors import UnknownRequest
from terok_sandbox.clearance.model import ClearanceRequest, Verdict
from terok_sandbox.clearance.project import remember_decision
from terok_sandbox.clearance.waiting import decide_request, gateway_sockets, list_waiting
from terok_sandbox.config import SandboxConfig


def waiting_requests(config: SandboxConfig, container: str | None = None) -> list[ClearanceRequest]:
    """Return the questions that wait now, of all containers or of one; a gateway without a reply is left out."""
    return list_waiting(gateway_sockets(config, container))


def answer_request(config: SandboxConfig, request_id: str, verdict: Verdict) -> ClearanceRequest:
    """Bring a verdict on a waiting question into force, keep it where it is meant to last, and return the question.

    Raises:
        UnknownRequest: No question of this id waits.
        ClearanceError: The gateway refuses the verdict, or it could not be kept.
        HubUnavailable: No gateway answers.
    """
    matching = [waiting for waiting in waiting_requests(config) if waiting.id == request_id]
    if len(matching) != 1:
        raise UnknownRequest(f"no request {request_id!r} waits", hint="see `terok-sandbox clearance list`")
    (request,) = matching
    decide_request(config.gateway_socket(request.container), request.id, str(request.target), verdict)
    remember_decision(config, request, verdict)
    return request
