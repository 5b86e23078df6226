"""Sessions that were begun elsewhere, as in the agent's own terminal: taken in when an agent lists them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from terok_util import safe_text

from terok_acp.conductor.state import CONTAINER_ROOT, Core
from terok_acp.protocol.frames import Frame
from terok_acp.protocol.ids import new_session_key
from terok_acp.sessions.row import SessionRow
from terok_acp.wall.paths import Roots, map_out

_MOST: Final = 200
"""Sessions of one answer that are looked at."""
_TITLE: Final = 80


class Found:
    """Gives sessions of agents ids of ours."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def take(self, agent: str, reply: Frame, cwd: Any) -> None:
        """Store the sessions of an agent's answer that are not known; `cwd` is the directory the editor asks for."""
        listed = reply.get("sessions")
        for entry in listed[:_MOST] if type(listed) is list else ():
            name = entry.get("sessionId") if type(entry) is dict else None
            if type(name) is not str or not name or self._core.table.by_backend(agent, name) is not None:
                continue
            inside = entry.get("cwd")
            place = self._place(inside, cwd)
            if place is None:
                continue
            title = entry.get("title")
            when = _moment(entry.get("updatedAt"), self._core.date)
            self._core.table.put(
                SessionRow(
                    key=new_session_key(),
                    container=self._core.settings.container,
                    agent=agent,
                    backend_id=name,
                    editor_cwd=place,
                    container_cwd=inside,
                    title=safe_text(title)[:_TITLE] if type(title) is str else "",
                    model=None,
                    capability_key="",
                    created=when,
                    updated=when,
                    found=True,
                )
            )

    def _place(self, inside: Any, cwd: Any) -> str | None:
        """Return a directory as the editor calls it: on the host if the host has it, else the one it asks for."""
        workspace = self._core.settings.workspace
        if workspace is None and type(cwd) is str and cwd.startswith("/"):
            workspace = Roots(cwd, CONTAINER_ROOT)
        return map_out(inside, workspace) if workspace is not None and type(inside) is str else None


def _moment(text: Any, now: float) -> float:
    """Return when a session was used, at the latest now."""
    try:
        return min(now, datetime.fromisoformat(text).timestamp()) if type(text) is str else now
    except (ValueError, OverflowError):
        return now
