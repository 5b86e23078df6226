"""Delivery of a session to editors: as it comes while they keep up, from the transcript when they do not.

Every update is in the transcript before it goes anywhere, with a number; an editor is at one number of a session at a
time, so it gets each update once, whether it was there all the time, was slow, or came back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from terok_acp.conductor.state import Core, Editor, Live, View
from terok_acp.errors import FrameError
from terok_acp.protocol.frames import INTERNAL_ERROR, Frame, message_chunk, notification
from terok_acp.protocol.frames import error as error_frame
from terok_acp.protocol.framing import TO_EDITOR, encode, encoded
from terok_acp.router.coalesce import coalesce
from terok_acp.router.outbox import Outbox
from terok_acp.router.state import Peer
from terok_acp.wall.frames import to_editor

REFILL: Final = 256 << 10
"""Bytes of a transcript that are read at a time."""
_MOST_MARKS: Final = 1000
"""Lines that wait for an editor which is behind."""
_UPDATE: Final = "session/update"


class Delivery:
    """Puts lines into the outboxes of editors."""

    def __init__(self, core: Core, came_up: Callable[[Live, Peer], None]) -> None:
        self._core = core
        self._came_up = came_up

    def record(self, live: Live, params: Frame, origin: Peer | None = None) -> None:
        """Put the parameters of an update, without a session id, into the transcript and before every editor.

        `origin` is the editor that it came from, which knows it.
        """
        core, key = self._core, live.row.key
        try:
            text = encoded(params)
        except FrameError:
            core.counts["update that cannot be written"] += 1
            return
        number = core.transcripts.append(key, text.decode())
        for peer, view in live.views.items():
            if not view.live or peer == origin:
                continue
            editor = core.editors[peer]
            if not editor.outbox.fits(key, len(text)):
                view.live, view.next = False, number - 1
                continue
            shown = to_editor(_UPDATE, params, view.roots, view.rules, view.guard)
            if shown is params:
                self._line(
                    editor,
                    b'{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"%b",%b}\n'
                    % (key.encode(), text[1:]),
                    key,
                )
            elif type(shown) is dict:
                self._line(editor, _update_line(key, shown), key)

    def say(self, live: Live, text: str, kind: str = "agent_message_chunk") -> None:
        """Tell all editors of a session a line of ours, and keep it."""
        self.record(live, {"update": message_chunk(text, kind)})

    def notice(self, live: Live, text: str, severity: str = "warning") -> None:
        """Tell the editors of a session what they should know: as a notice, or as a thought where there are none."""
        for peer in list(live.views):
            editor = self._core.editors[peer]
            if editor.abilities is not None and editor.abilities.notices:
                update: Frame = {"sessionUpdate": "notice", "severity": severity, "title": text}
            else:
                update = message_chunk(f"{text}\n", "agent_thought_chunk")
            self.pass_on(live, peer, notification(_UPDATE, {"sessionId": live.row.key, "update": update}))

    def pass_on(self, live: Live, peer: Peer, frame: Frame) -> None:
        """Send an editor a frame that is in no transcript, behind everything that it was told before."""
        view = live.views.get(peer)
        if view is None:
            return
        line = _written(frame)
        if view.live:
            self._line(self._core.editors[peer], line, live.row.key)
        elif len(view.marks) < _MOST_MARKS:
            view.marks.append((self._core.transcripts.last(live.row.key), line))
        else:
            self._core.counts["notice to an editor that is behind"] += 1

    def answer(self, peer: Peer, frame: Frame, live: Live | None = None) -> None:
        """Send an editor the answer to a request, in the order of the session that it is about."""
        editor = self._core.editors.get(peer)
        if editor is None:
            return
        editor.asking.discard(frame.get("id"))
        view = live.views.get(peer) if live else None
        line = _written(frame)
        if live is None or view is None or view.live:
            self._line(editor, line, live.row.key if live else "")
        else:
            view.marks.append((self._core.transcripts.last(live.row.key), line))

    def open(self, live: Live, peer: Peer, reply: Frame, *, first: bool) -> None:
        """Answer the request with which an editor came to a session: before what there is to tell, or behind it."""
        view, editor = live.views.get(peer), self._core.editors.get(peer)
        if view is None or editor is None:
            return
        editor.asking.discard(reply.get("id"))
        view.closed = False
        if first:
            view.marks.appendleft((view.next, _written(reply)))
        else:
            view.marks.append((self._core.transcripts.last(live.row.key), _written(reply)))
        self.refill(editor)

    def refill(self, editor: Editor) -> None:
        """Give an editor more of the sessions with which it is behind, as far as there is room."""
        for live in self._core.lives.values():
            view = live.views.get(editor.peer)
            while view is not None and not view.live and not view.closed and _has_room(editor.outbox, live.row.key):
                self._advance(editor, live, view)

    def _advance(self, editor: Editor, live: Live, view: View) -> None:
        """Give an editor the next piece of a transcript, up to the next line that belongs between."""
        core, key = self._core, live.row.key
        last = core.transcripts.last(key)
        while view.marks and (view.marks[0][0] <= view.next or view.next >= last):
            self._line(editor, view.marks.popleft()[1], key)
        if view.next >= last:
            view.live = True
            self._came_up(live, editor.peer)
            return
        until = view.marks[0][0] if view.marks else last
        items = [item for item in core.transcripts.read(key, view.next, REFILL) if item[0] <= until]
        if not items:
            view.next = until  # what was here was cut off, because the transcript is bounded
            return
        view.next = items[-1][0]
        for params in coalesce(json.loads(text) for _, text in items):
            shown = to_editor(_UPDATE, params, view.roots, view.rules, view.guard)
            if type(shown) is dict:
                self._line(editor, _update_line(key, shown), key)

    def _line(self, editor: Editor, line: bytes, key: str) -> None:
        if not line or len(line) > TO_EDITOR:
            self._core.counts["frame that no editor can be sent"] += 1
            return
        if not editor.outbox:
            editor.moved = self._core.now
        editor.outbox.put(line, key)
        self._core.connections.ready(editor.peer.number)


def _has_room(outbox: Outbox, key: str) -> bool:
    return outbox.waiting(key) < REFILL and outbox.size < 4 * REFILL


def _update_line(key: str, params: Frame) -> bytes:
    return _written(notification(_UPDATE, {"sessionId": key, **params}))


def _written(frame: Frame) -> bytes:
    """Write a frame; what cannot be written becomes an error or an empty line, which is nothing."""
    try:
        return encode(frame)
    except FrameError as error:
        if "method" in frame or "id" not in frame:
            return b""
        return encode(error_frame(frame["id"], INTERNAL_ERROR, "the agent's answer cannot be written", error.message))
