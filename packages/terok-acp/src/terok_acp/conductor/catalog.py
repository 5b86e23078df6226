"""Sessions as editors ask for them: new, loaded, resumed, listed, closed, deleted, forked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from terok_acp.conductor.abilities import Abilities, has
from terok_acp.conductor.adapters import Adapters
from terok_acp.conductor.binding import Binding
from terok_acp.conductor.choices import Choices
from terok_acp.conductor.delivery import Delivery
from terok_acp.conductor.found import Found
from terok_acp.conductor.state import CONTAINER_ROOT, Core, Live, Phase, View
from terok_acp.conductor.turns import Turns
from terok_acp.protocol.frames import (
    AUTH_REQUIRED,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    NOT_FOUND,
    Frame,
    params_of,
    result,
)
from terok_acp.protocol.frames import (
    error as error_frame,
)
from terok_acp.protocol.ids import new_session_key
from terok_acp.router.sessions import bind, forget, know, lose_view
from terok_acp.router.state import Peer
from terok_acp.sessions.row import SessionRow
from terok_acp.wall.frames import error_to_editor, to_container
from terok_acp.wall.paths import PathRefused, Roots, map_in, plain_path
from terok_acp.wall.rules import Passed, Refused, Rules

SIGN_IN: Final = "no agent of this container is signed in; run `terok auth` on the host"
_COLD_SECONDS: Final = 8.0
"""How long a new session waits for an agent that was never asked for its models; some editors give up at 20 s."""
_LIST_SECONDS: Final = 2.0
"""How long a list waits for agents."""
_PAGE: Final = 100


class Catalog:
    """Serves the methods that are about sessions as such."""

    def __init__(
        self, core: Core, adapters: Adapters, binding: Binding, delivery: Delivery, turns: Turns, choices: Choices
    ) -> None:
        self._core = core
        self._adapters = adapters
        self._binding = binding
        self._delivery = delivery
        self._turns = turns
        self._choices = choices
        self._found = Found(core)

    def new(self, editor: Peer, frame: Frame, abilities: Abilities) -> None:
        """Serve `session/new`: answered from what is known of the agents, while the adapter starts behind it."""
        core = self._core
        specs = core.roster.agents()
        if not specs:
            self._delivery.answer(editor, error_frame(frame["id"], AUTH_REQUIRED, SIGN_IN, SIGN_IN))
            return
        names = [spec.agent for spec in specs]
        wished = core.settings.default_agent
        agent = wished if wished in names else names[0]
        came = self._come(editor, frame, "session/new")
        if came is None:
            return
        roots, passed = came
        now = core.date
        row = SessionRow(
            key=new_session_key(),
            container=core.settings.container,
            agent=agent,
            backend_id=None,
            editor_cwd=params_of(frame)["cwd"],
            container_cwd=passed.params["cwd"],
            title="",
            model=None,
            capability_key=abilities.key,
            created=now,
            updated=now,
        )
        live = Live(row, abilities)
        live.servers = passed.params.get("mcpServers") or []
        live.directories = passed.params.get("additionalDirectories") or []
        core.table.put(row)
        know(core.router, row.key)
        core.lives[row.key] = live
        self._attach(live, editor, roots, abilities, after=0)
        self._open_new(editor, frame, live, passed)

    def load(self, editor: Peer, frame: Frame, abilities: Abilities) -> None:
        """Serve `session/load`: the whole history before the answer."""
        self._enter(editor, frame, abilities, history=True)

    def resume(self, editor: Peer, frame: Frame, abilities: Abilities) -> None:
        """Serve `session/resume`: no history."""
        self._enter(editor, frame, abilities, history=False)

    def list(self, editor: Peer, frame: Frame) -> None:
        """Serve `session/list`, newest first; agents that run are asked for sessions that were begun elsewhere."""
        answered, open_ = False, 0

        def answer() -> None:
            nonlocal answered
            if not answered:
                answered = True
                self._answer_list(editor, frame)

        def heard(reply: Frame, agent: str) -> None:
            nonlocal open_
            open_ -= 1
            self._found.take(agent, reply, params_of(frame).get("cwd"))
            if open_ == 0:
                answer()

        for running in list(self._core.running.values()):
            if running.initialize and has(running.initialize, "sessionCapabilities", "list"):
                open_ += 1
                agent = running.spec.agent
                told = partial(heard, agent=agent)
                self._adapters.ask(running, "session/list", {}, told, told, seconds=_LIST_SECONDS)
        if open_ == 0:
            answer()

    def _answer_list(self, editor: Peer, frame: Frame) -> None:
        params = params_of(frame)
        cwd, cursor = params.get("cwd"), params.get("cursor")
        lives = self._core.lives
        stored = self._core.table.rows(cwd if type(cwd) is str else None)
        rows = [lives[row.key].row if row.key in lives else row for row in stored]
        start = int(cursor) if type(cursor) is str and cursor.isdecimal() and len(cursor) < 9 else 0
        page = rows[start : start + _PAGE]
        answer: Frame = {"sessions": [_listed(row) for row in page]}
        if len(rows) > start + _PAGE:
            answer["nextCursor"] = str(start + _PAGE)
        self._delivery.answer(editor, result(frame["id"], answer))

    def close(self, editor: Peer, frame: Frame, live: Live | None) -> None:
        """Serve `session/close`: what runs is cancelled, unless another editor has the session too."""
        if live is not None:
            self._leave(editor, live)
        self._delivery.answer(editor, result(frame["id"], {}))

    def delete(self, editor: Peer, frame: Frame) -> None:
        """Serve `session/delete`; one that does not exist is deleted already."""
        core, key = self._core, params_of(frame).get("sessionId")
        row = core.table.get(key) if type(key) is str else None
        if row is not None:
            live = core.lives.pop(row.key, None)
            if live is not None:
                self._delete_at_backend(live)
                self._turns.cancel(editor, live)
                self._binding.release(live, close=True)
            core.perform(forget(core.router, row.key))
            core.table.remove(row.key)
            core.transcripts.remove(row.key)
        self._delivery.answer(editor, result(frame["id"], {}))

    def fork(self, editor: Peer, frame: Frame, abilities: Abilities, live: Live) -> None:
        """Serve `session/fork`, at agents that can."""
        core = self._core
        came = self._come(editor, frame, "session/fork")
        if came is None:
            return
        roots, passed = came

        def failed(problem: Frame) -> None:
            self._delivery.answer(editor, {"jsonrpc": "2.0", "id": frame["id"], "error": error_to_editor(problem)})

        def bound() -> None:
            running, session = live.running, core.router.sessions.get(live.row.key)
            if running is None or session is None or not has(running.initialize or {}, "sessionCapabilities", "fork"):
                message = f"{live.row.agent} cannot fork a session"
                failed({"code": METHOD_NOT_FOUND, "message": message, "data": {"details": message}})
                return

            def forked(reply: Frame) -> None:
                name = reply.get("sessionId")
                if type(name) is not str or live.running is not running:
                    failed({"code": INTERNAL_ERROR, "message": f"{live.row.agent} gave the new session no name"})
                    return
                row = replace(live.row, key=new_session_key(), backend_id=name, created=core.date, updated=core.date)
                twin = Live(row, abilities, phase=Phase.BOUND, running=running, shown={**live.shown, **reply})
                twin.servers, twin.directories = live.servers, live.directories
                core.table.put(row)
                for _, item in _whole(core, live.row.key):
                    core.transcripts.append(row.key, item)
                core.lives[row.key] = twin
                running.sessions.add(row.key)
                self._attach(twin, editor, roots, abilities, after=core.transcripts.last(row.key))
                state = self._choices.session_state(twin, editor)
                self._delivery.open(twin, editor, result(frame["id"], {"sessionId": row.key, **state}), first=True)
                core.perform(bind(core.router, row.key, running.peer, name))

            params = {**passed.params, "sessionId": session.backend_id}
            self._adapters.ask(running, "session/fork", params, forked, failed, session=live.row.key)

        self._binding.when_bound(live, bound, failed)

    def _open_new(self, editor: Peer, frame: Frame, live: Live, passed: Passed) -> None:
        core, opened = self._core, False

        def answer() -> None:
            nonlocal opened
            if opened:
                return
            opened = True
            state = self._choices.session_state(live, editor)
            self._delivery.open(live, editor, result(frame["id"], {"sessionId": live.row.key, **state}), first=True)
            for line in passed.notices:
                self._delivery.notice(live, line)

        def failed(problem: Frame) -> None:
            nonlocal opened
            if opened:
                message = error_to_editor(problem)["message"]
                self._delivery.notice(live, f"{live.row.agent} could not be started: {message}", "error")
                return
            opened = True
            live.views.pop(editor, None)
            self._delivery.answer(editor, {"jsonrpc": "2.0", "id": frame["id"], "error": error_to_editor(problem)})

        if core.roster.offer(live.row.agent) is not None:
            answer()
        else:
            core.timers.at(core.now + _COLD_SECONDS, answer)
        self._binding.when_bound(live, answer, failed)

    def _enter(self, editor: Peer, frame: Frame, abilities: Abilities, *, history: bool) -> None:
        core, key = self._core, params_of(frame).get("sessionId")
        row = core.table.get(key) if type(key) is str else None
        if row is None:
            self._delivery.answer(editor, error_frame(frame["id"], NOT_FOUND, "no such session", "no such session"))
            return
        came = self._come(editor, frame, "session/load")
        if came is None:
            return
        roots, passed = came
        live = core.lives.get(row.key)
        if live is None:
            live = core.lives[row.key] = Live(row, abilities)
            know(core.router, row.key)
        if live.phase is Phase.UNBOUND:
            live.abilities = abilities
            live.servers = passed.params.get("mcpServers") or []
            live.directories = passed.params.get("additionalDirectories") or []
        if live.row.editor_cwd != params_of(frame)["cwd"]:
            live.row = replace(live.row, editor_cwd=params_of(frame)["cwd"])
            core.table.put(live.row)
        last = core.transcripts.last(row.key)
        self._attach(live, editor, roots, abilities, after=0 if history else last)
        there = live

        def answer() -> None:
            state = self._choices.session_state(there, editor)
            self._delivery.open(there, editor, result(frame["id"], state), first=not history)
            for line in passed.notices:
                self._delivery.notice(there, line)

        whole = core.transcripts.complete(row.key) and (last > 0 or not row.found)
        if not history or whole or live.phase is not Phase.UNBOUND or row.backend_id is None:
            answer()
            self._binding.when_bound(live, _nothing, _ignore)
            return
        core.transcripts.clear(row.key)
        live.views[editor].next = core.transcripts.last(row.key)
        live.recording = True

        def failed(problem: Frame) -> None:
            there.views.pop(editor, None)
            self._delivery.answer(editor, {"jsonrpc": "2.0", "id": frame["id"], "error": error_to_editor(problem)})

        self._binding.when_bound(live, answer, failed)

    def _come(self, editor: Peer, frame: Frame, method: str) -> tuple[Roots, Passed] | None:
        """Return the directories of a session that an editor opens, None if it was refused."""
        params = params_of(frame)
        try:
            cwd = plain_path(params.get("cwd"))
        except PathRefused as error:
            self._delivery.answer(editor, error_frame(frame["id"], INVALID_PARAMS, f"cwd: {error}"))
            return None
        workspace = self._core.settings.workspace
        inside = map_in(cwd, workspace) if workspace else None
        roots = workspace if workspace is not None and inside is not None else Roots(cwd, _root(workspace))
        passed = to_container(method, {"mcpServers": [], **params}, roots, self._core.settings.rules)
        if isinstance(passed, Refused):
            self._delivery.answer(editor, error_frame(frame["id"], passed.code, passed.message))
            return None
        return roots, passed

    def _attach(self, live: Live, editor: Peer, roots: Roots, abilities: Abilities, *, after: int) -> None:
        rules: Rules = replace(self._core.settings.rules, terminal_output=abilities.terminal_output)
        self._core.perform(lose_view(self._core.router, editor, live.row.key))
        live.views[editor] = View(roots, rules, live=False, closed=True, next=after)

    def _leave(self, editor: Peer, live: Live) -> None:
        if live.views.pop(editor, None) is None:
            return
        self._core.perform(lose_view(self._core.router, editor, live.row.key))
        if live.views:
            self._turns.left(editor, live)
            return
        self._turns.cancel(editor, live)
        self._binding.release(live, close=True)

    def _delete_at_backend(self, live: Live) -> None:
        running, session = live.running, self._core.router.sessions.get(live.row.key)
        if running and session and has(running.initialize or {}, "sessionCapabilities", "delete"):
            params = {"sessionId": session.backend_id}
            self._adapters.ask(running, "session/delete", params, _ignore, _ignore)


def _root(workspace: Roots | None) -> str:
    return workspace.container if workspace else CONTAINER_ROOT


def _listed(row: SessionRow) -> Frame:
    when = datetime.fromtimestamp(row.updated, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    entry: Frame = {"sessionId": row.key, "cwd": row.editor_cwd, "updatedAt": when}
    if row.title:
        entry["title"] = row.title
    return entry


def _whole(core: Core, key: str) -> list[tuple[int, str]]:
    items: list[tuple[int, str]] = []
    while more := core.transcripts.read(key, items[-1][0] if items else 0, 1 << 20):
        items += more
    return items


def _nothing() -> None:
    """Do nothing when a session is bound that nobody waits for."""


def _ignore(_: Frame) -> None:
    """Do nothing about an answer that changes nothing."""
