"""One session, as it is kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session and what is known of it; its `key` is the only id that an editor sees.

    `backend_id` is the agent's own id, None as long as no backend has the session. `capability_key` says for which
    editors' capabilities the backend was started. `found` marks a session that was begun elsewhere and seen in a
    backend's list. Times are seconds since 1970.
    """

    key: str
    container: str
    agent: str
    backend_id: str | None
    editor_cwd: str
    container_cwd: str
    title: str
    model: str | None
    capability_key: str
    created: float
    updated: float
    found: bool = False
