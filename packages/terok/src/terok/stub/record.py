"""The stub's records: one per request, with the client's way of identifying itself but never the credential."""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from terok.stub.script import Conversation, step_of

Presented = Literal["expected", "other", "none"]

CREDENTIAL_HEADERS = ("x-api-key", "authorization", "api-key", "x-goog-api-key")
MAX_RECORDS = 10_000
MAX_FIELD_CHARS = 200


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request: where it went, which header carried a credential, and whether that was the real key."""

    method: str
    path: str
    """Path without the query."""
    credential_header: str | None
    presented: Presented
    body_bytes: int
    status: int
    user_agent: str = ""
    began: float = 0.0
    ended: float = 0.0
    """When it came and when its answer was complete, in seconds since the epoch."""
    turn: bool = False
    """Whether the client offered its shell: the request is a step of a turn, and no errand of the client's own."""


class Recorder:
    """Keeps the newest MAX_RECORDS records, counts all, and keeps the newest output of every scripted command."""

    def __init__(self) -> None:
        self._records: deque[RequestRecord] = deque(maxlen=MAX_RECORDS)
        self.total = 0
        self.turns: list[float] = []
        """When each step of a turn came, also those that wait for their answer."""
        self.outputs: dict[int, str] = {}
        """The output of each step's command as the client reports it, by the number of the step (from 0)."""

    @property
    def records(self) -> tuple[RequestRecord, ...]:
        """The records, oldest first."""
        return tuple(self._records)

    def add(self, record: RequestRecord) -> None:
        """Record an answered request."""
        self.total += 1
        self._records.append(record)

    def note_outputs(self, conversation: Conversation) -> None:
        """Take note of the command outputs a conversation carries."""
        for result in conversation.results:
            step = step_of(result.call_id)
            if step is not None:
                self.outputs[step] = result.text

    def authenticated(self) -> int:
        """How many of the kept requests carried the real key."""
        return sum(record.presented == "expected" for record in self._records)


def presented_credential(headers: Mapping[str, str], api_key: str | None) -> tuple[str | None, Presented]:
    """Return the header a credential came in, and whether every credential presented is `api_key` (None expects none).

    A request with the right key in one header and something else in another counts as `other`: a proxy that leaves the
    client's own credential beside the real one is not to be taken for a correct one.
    """
    found = [(name, _bare(headers[name])) for name in CREDENTIAL_HEADERS if headers.get(name)]
    if not found:
        return None, "none"
    name = found[0][0]
    if api_key is None:
        return name, "other"
    matches = [hmac.compare_digest(value.encode(), api_key.encode()) for _, value in found]
    return name, "expected" if all(matches) else "other"


def _bare(value: str) -> str:
    scheme, _, rest = value.partition(" ")
    return rest.strip() if scheme.lower() in {"bearer", "token"} else value.strip()
