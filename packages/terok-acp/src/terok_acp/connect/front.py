"""The lines of an editor and of its daemon: a pure core, which outlives daemons.

The editor has its answer to `initialize` before there is a daemon. When a daemon ends, what the editor has asked is
answered with an error and what it was asked is taken back; the next daemon is told of the sessions that are open.
"""

from __future__ import annotations

import json
from typing import Any, Final

from terok_acp.conductor.greeting import initialize_reply
from terok_acp.protocol.frames import INTERNAL_ERROR, Frame, error, notification, params_of, request, result
from terok_acp.protocol.framing import FROM_EDITOR, FrameReader, Violation, encode

_UPDATE: Final = b'{"jsonrpc":"2.0","method":"session/update"'
_OPENING: Final = frozenset({"session/new", "session/load", "session/resume", "session/fork"})
_OURS: Final = "terok/"
"""How the ids of our own requests to a daemon begin."""


class Front:
    """Both sides' lines, in and out; `to_editor` and `to_daemon` are what is to be written."""

    def __init__(self, version: str) -> None:
        self.to_editor: list[bytes] = []
        self.to_daemon: list[bytes] = []
        self._version = version
        self._editor = FrameReader(FROM_EDITOR)
        self._rest = b""
        self._initialize: Frame | None = None
        self._open: dict[tuple[type, Any], Frame] = {}
        self._asked: set[Any] = set()
        self._sessions: dict[str, Frame] = {}
        self._up = False
        self._count = 0

    @property
    def needs_daemon(self) -> bool:
        """Whether the editor has said something that only a daemon can answer."""
        return not self._up and bool(self._open)

    def editor_said(self, data: bytes) -> None:
        """Take bytes of the editor."""
        for frame in self._editor.feed(data):
            if isinstance(frame, Violation):
                self.to_editor.append(encode(error(None, frame.code, frame.message)))
            else:
                self._from_editor(frame)

    def daemon_said(self, data: bytes) -> None:
        """Take bytes of the daemon."""
        lines = data.split(b"\n")
        lines[0] = self._rest + lines[0]
        self._rest = lines.pop()
        for line in lines:
            if line.startswith(_UPDATE) or self._from_daemon(json.loads(line)):
                self.to_editor.append(line + b"\n")

    def daemon_came(self) -> None:
        """Tell a new daemon who the editor is, which sessions it has open, and what it has asked meanwhile."""
        self._up, self._rest = True, b""
        waiting, self.to_daemon = self.to_daemon, []
        if self._initialize is not None:
            self._ask("initialize", params_of(self._initialize))
        for key, opened in self._sessions.items():
            self._ask("session/resume", {**opened, "sessionId": key})
        self.to_daemon += waiting

    def daemon_went(self, details: str) -> None:
        """Answer for a daemon that has ended."""
        self._up, self._rest = False, b""
        self.to_daemon.clear()
        for number in self._asked:
            self.to_editor.append(encode(notification("$/cancel_request", {"requestId": number})))
        self._asked.clear()
        self.refuse(details)

    def refuse(self, details: str) -> None:
        """Answer everything that waits for a daemon with an error."""
        waiting, self._open = self._open, {}
        self.to_daemon.clear()
        for frame in waiting.values():
            self.to_editor.append(encode(error(frame["id"], INTERNAL_ERROR, details, details)))

    def _from_editor(self, frame: Frame) -> None:
        method = frame.get("method")
        if method == "initialize" and "id" in frame:
            self._initialize = frame
            self.to_editor.append(encode(result(frame["id"], initialize_reply(self._version))))
            if self._up:
                self._ask("initialize", params_of(frame))
            return
        if method is None:
            self._asked.discard(frame["id"])
        elif "id" in frame:
            self._open[type(frame["id"]), frame["id"]] = frame
        if self._up or method is not None:
            self.to_daemon.append(encode(frame))

    def _from_daemon(self, frame: Frame) -> bool:
        """Take note of a frame and tell whether it is for the editor."""
        if "method" in frame:
            if "id" in frame:
                self._asked.add(frame["id"])
            elif frame["method"] == "$/cancel_request":
                self._asked.discard(params_of(frame).get("requestId"))
            return True
        number = frame.get("id")
        if type(number) is str and number.startswith(_OURS):
            return False
        asked = self._open.pop((type(number), number), None)
        if asked is not None and "result" in frame:
            self._note(asked, frame["result"])
        return True

    def _note(self, asked: Frame, answer: Any) -> None:
        """Remember which sessions are open, and how they were opened."""
        params, method = params_of(asked), asked["method"]
        key = params.get("sessionId")
        if method in ("session/new", "session/fork"):
            key = answer.get("sessionId") if type(answer) is dict else None
        if type(key) is not str:
            return
        if method in _OPENING:
            self._sessions[key] = {name: value for name, value in params.items() if name != "sessionId"}
        elif method in ("session/close", "session/delete"):
            self._sessions.pop(key, None)

    def _ask(self, method: str, params: Frame) -> None:
        self._count += 1
        self.to_daemon.append(encode(request(f"{_OURS}{self._count}", method, params)))
