"""Refusals: what the proxy answers itself, with which status and class, in one vendor-neutral shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class VaultRefusal:
    """A request that is not forwarded.

    `status` is the HTTP status, `reason` a short stable class for audit rows (`unknown_token`), `message` one sentence
    for the person who reads the agent's output. It never quotes a credential.
    """

    status: int
    reason: str
    message: str
    hint: str | None = None
    document: Mapping[str, Any] | None = None
    """Answered in place of the usual body, for clients that only understand their vendor's error shape."""
    headers: tuple[tuple[str, str], ...] = ()
    """Added to the answer, for instance `Retry-After`."""

    later: VaultRefusal | None = None
    """Answered in its place when a request has waited in vain: its client may ask again."""

    def body(self) -> bytes:
        """Return the JSON body: `{"error": {"type", "code", "message"}, "hint"?}`, or the document given."""
        if self.document is not None:
            return json.dumps(self.document).encode()
        document: dict[str, object] = {"error": {"type": "terok_vault", "code": self.reason, "message": self.message}}
        if self.hint:
            document["hint"] = self.hint
        return json.dumps(document).encode()


def malformed(message: str) -> VaultRefusal:
    """Return the refusal of a request that is spelled in a way the proxy does not interpret."""
    return VaultRefusal(400, "malformed_request", message)
