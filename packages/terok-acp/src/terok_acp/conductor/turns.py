"""Prompts and their end: whose turn it is, who waits, and what a cancel does at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from terok_util import safe_text

from terok_acp.conductor.abilities import has
from terok_acp.conductor.binding import Binding
from terok_acp.conductor.delivery import Delivery
from terok_acp.conductor.state import Core, Live, Prompt, Turn
from terok_acp.protocol.frames import INVALID_REQUEST, NOT_FOUND, Frame, params_of
from terok_acp.router.outputs import Answered
from terok_acp.router.sessions import abandon, cancel, forward
from terok_acp.router.state import Peer
from terok_acp.wall.frames import error_to_editor, result_to_editor, to_container
from terok_acp.wall.rules import Refused

_CANCEL_SECONDS: Final = 10.0
"""How long a backend may take to end a turn that was cancelled."""
_MOST_WAITING: Final = 32
_STORE_SECONDS: Final = 2.0
_TITLE: Final = 80


class Turns:
    """Sends prompts on and brings their answers back."""

    def __init__(self, core: Core, binding: Binding, delivery: Delivery, began: Callable[[Live], None]) -> None:
        self._core = core
        self._binding = binding
        self._delivery = delivery
        self._began = began

    def prompt(self, editor: Peer, frame: Frame, live: Live) -> None:
        """Take a prompt: now, or after the turn of another editor."""
        turn = live.turn
        if turn is not None and (turn.editor != editor or turn.cancelled):
            if len(live.prompts) >= _MOST_WAITING:
                self._refuse(editor, frame, live, INVALID_REQUEST, "too many prompts wait for this session")
            else:
                live.prompts.append((editor, frame))
            return
        if turn is None:
            turn = live.turn = Turn(editor)
        if frame["id"] in turn.prompts:
            self._refuse(editor, frame, live, INVALID_REQUEST, "a prompt with this id is open")
            return
        entry = turn.prompts[frame["id"]] = Prompt(frame)
        self._send_when_bound(live, turn, entry)

    def cancel(self, editor: Peer, live: Live) -> None:
        """Cancel the turn, and what this editor has waiting."""
        mine = [frame for peer, frame in live.prompts if peer == editor]
        live.prompts = type(live.prompts)(entry for entry in live.prompts if entry[0] != editor)
        for frame in mine:
            self._delivery.answer(editor, _stopped(frame["id"]), live)
        turn = live.turn
        if turn is not None:
            for number, entry in list(turn.prompts.items()):
                if not entry.sent:
                    del turn.prompts[number]
                    self._delivery.answer(turn.editor, _stopped(number), live)
        self._core.perform(cancel(self._core.router, live.row.key))
        if turn is None:
            return
        if turn.prompts and not turn.cancelled:
            turn.cancelled = True
            self._core.timers.at(self._core.now + _CANCEL_SECONDS, lambda: self._overdue(live, turn))
        self._settled(live)

    def answered(self, answer: Answered, live: Live | None) -> None:
        """Bring the answer to a prompt back."""
        turn = live.turn if live else None
        number = answer.frame["id"]
        entry = turn.prompts.get(number) if turn and turn.editor == answer.editor else None
        if live is None or turn is None or entry is None:
            return
        error = answer.frame.get("error")
        if type(error) is dict and error.get("code") == NOT_FOUND and not entry.again:
            entry.sent, entry.again = False, True
            self._binding.release(live)
            self._send_when_bound(live, turn, entry)
            return
        del turn.prompts[number]
        self._touch(live)
        if answer.editor in live.views:
            shown: Frame = {"jsonrpc": "2.0", "id": number}
            if "error" in answer.frame:
                shown["error"] = error_to_editor(error)
            else:
                shown["result"] = result_to_editor(answer.frame["result"])
            self._delivery.answer(answer.editor, shown, live)
        self._settled(live)

    def left(self, editor: Peer, live: Live) -> None:
        """Take note that an editor is gone: what it has running runs on, what it has waiting does not."""
        live.prompts = type(live.prompts)(entry for entry in live.prompts if entry[0] != editor)

    def _send_when_bound(self, live: Live, turn: Turn, entry: Prompt) -> None:
        def failed(error: Frame) -> None:
            if turn.prompts.pop(entry.frame["id"], None) is not None:
                reply = {"jsonrpc": "2.0", "id": entry.frame["id"], "error": error_to_editor(error)}
                self._delivery.answer(turn.editor, reply, live)
            self._settled(live)

        self._binding.when_bound(live, lambda: self._send(live, turn, entry), failed)

    def _send(self, live: Live, turn: Turn, entry: Prompt) -> None:
        frame, core = entry.frame, self._core
        if frame["id"] not in turn.prompts or entry.sent:
            return  # cancelled meanwhile
        view = live.views.get(turn.editor)
        if view is None:
            del turn.prompts[frame["id"]]
            self._settled(live)
            return
        reply = (live.running.initialize if live.running else None) or {}
        takes = replace(
            view.rules,
            images=has(reply, "promptCapabilities", "image"),
            audio=has(reply, "promptCapabilities", "audio"),
            embedded=has(reply, "promptCapabilities", "embeddedContext"),
        )
        passed = to_container("session/prompt", params_of(frame), view.roots, takes)
        for line in passed.notices:
            self._delivery.notice(live, line)
        if isinstance(passed, Refused):
            del turn.prompts[frame["id"]]
            self._refuse(turn.editor, frame, live, passed.code, passed.message)
            self._settled(live)
            return
        if not entry.again:
            self._remember(live, turn.editor, passed.params)
        entry.sent = True
        core.perform([forward(core.router, turn.editor, {**frame, "params": passed.params}, live.row.key)])
        self._began(live)

    def _remember(self, live: Live, editor: Peer, params: Frame) -> None:
        """Put a prompt into the transcript, before the other editors, and a name into the list of sessions."""
        blocks = params.get("prompt") or []
        for block in blocks:
            self._delivery.record(live, {"update": {"sessionUpdate": "user_message_chunk", "content": block}}, editor)
        if live.row.title:
            return
        texts = (block.get("text") for block in blocks if type(block) is dict)
        first = next((text for text in texts if type(text) is str and text.strip()), "")
        live.row = replace(live.row, title=safe_text(first.strip().split("\n")[0])[:_TITLE], updated=self._core.date)
        self._core.table.put(live.row)

    def _touch(self, live: Live) -> None:
        """Note when a session was used last; stored a little later, because no answer is to wait for a disk."""
        later = not live.touched
        live.row, live.touched = replace(live.row, updated=self._core.date), True

        def store() -> None:
            live.touched = False
            if self._core.lives.get(live.row.key) is live:
                self._core.table.put(live.row)

        if later:
            self._core.timers.at(self._core.now + _STORE_SECONDS, store)

    def _overdue(self, live: Live, turn: Turn) -> None:
        """End a turn ourselves whose backend did not; it starts anew at the next use."""
        if live.turn is not turn or not turn.prompts:
            return
        abandon(self._core.router, turn.editor, live.row.key)
        for number in list(turn.prompts):
            del turn.prompts[number]
            self._delivery.answer(turn.editor, _stopped(number), live)
        self._binding.release(live, close=True)
        self._settled(live)

    def _settled(self, live: Live) -> None:
        """Go on with the next prompt when a turn is over."""
        if live.turn is not None and not live.turn.prompts:
            live.turn = None
        while live.turn is None and live.prompts:
            editor, frame = live.prompts.popleft()
            if editor in self._core.editors:
                self.prompt(editor, frame, live)

    def _refuse(self, editor: Peer, frame: Frame, live: Live, code: int, message: str) -> None:
        reply: Frame = {"jsonrpc": "2.0", "id": frame["id"], "error": {"code": code, "message": message}}
        self._delivery.answer(editor, reply, live)


def _stopped(number: object) -> Frame:
    return {"jsonrpc": "2.0", "id": number, "result": {"stopReason": "cancelled"}}
