"""The gateway's control socket: a person's verdicts and posture changes, as JSON lines from the same user.

A request is one object in one line, `{"verb": "deny", "target": "host.example"}`; the answer is one line too, with
`"ok": true` and the result or `"ok": false`, `error` and `hint`. The socket lies in the container's runtime
directory, of which the container sees only `guest/`.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from terok_util import TerokError, ensure_dir

from terok_sandbox import unix_sockets
from terok_sandbox.errors import AuditError, NetnsError, ShieldError
from terok_sandbox.shield.errors import NotKept, PolicyError
from terok_sandbox.shield.live_store import LiveVerdict
from terok_sandbox.shield.policy.names import folded
from terok_sandbox.values.posture import POSTURES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from terok_sandbox.shield.live import LivePolicy
    from terok_sandbox.shield.policy import Decision
    from terok_sandbox.shield.policy.addresses import Address
    from terok_sandbox.shield.sightings import Sightings
    from terok_sandbox.sidecar import Sidecar

SOCKET: Final = "shield.sock"
DIRECTORY: Final = "clearance"
"""Of the container's runtime directory: the one place below it that the gateway may write to."""
MAX_LINE: Final = 65536
MAX_CONNECTIONS: Final = 16
IDLE: Final = 60.0

Request = dict[str, Any]
Answer = dict[str, Any]


class Controls:
    """The verbs of one container's shield."""

    def __init__(
        self,
        container: str,
        live: LivePolicy,
        sightings: Sightings,
        *,
        resolve: Callable[[str], Awaitable[tuple[Decision, list[tuple[Address, Decision]]]]],
        enforcement: str = "filter",
    ) -> None:
        """`resolve` gives the verdict on a name, and on each address that an allowed one has."""
        self._container = container
        self._live = live
        self._sightings = sightings
        self._enforcement = enforcement
        self._resolve = resolve
        self._verbs: dict[str, Callable[[Request], Awaitable[Answer]]] = {
            "status": self._status,
            "posture": self._posture,
            "allow": self._verdict,
            "deny": self._verdict,
            "revoke": self._revoke,
            "reset": self._reset,
            "resolve": self._resolved,
        }

    async def answer(self, line: bytes) -> Answer:
        """Carry out one request; every problem becomes an answer but a lost rule channel or audit log."""
        try:
            request = json.loads(line)
            verb = self._verbs.get(str(request["verb"])) if isinstance(request, dict) and "verb" in request else None
        except (ValueError, RecursionError):
            verb, request = None, {}
        if verb is None:
            return {"ok": False, "error": "not a request this gateway knows", "hint": None}
        try:
            return {"ok": True, **await verb(request)}
        except (NetnsError, AuditError):
            raise
        except TerokError as error:
            kind = {"usage": isinstance(error, PolicyError), "unkept": isinstance(error, NotKept)}
            return {"ok": False, "error": error.message, "hint": error.hint, **kind}

    async def _recorded(
        self, act: Callable[[], Awaitable[None]], action: str, *, closes: bool, **fields: object
    ) -> Answer:
        """Write the row and `act`; what closes is done first, and also without room for its row, which is said."""
        if not closes:
            self._sightings.note(action, **fields)
            await act()
            return {}
        answer: Answer = {}
        try:
            await act()
        finally:
            try:
                self._sightings.note(action, **fields)
            except AuditError as error:
                answer["unrecorded"] = error.message
        return answer

    async def _status(self, request: Request) -> Answer:
        del request
        return {
            "container": self._container,
            "enforcement": self._enforcement,
            "posture": self._live.posture,
            "rules": len(self._live.policy.rules),
            "verdicts": [one.as_json() for one in self._live.verdicts],
            "kept": self._live.kept,
        }

    async def _posture(self, request: Request) -> Answer:
        posture = request.get("posture")
        if posture not in POSTURES:
            raise PolicyError("no such posture", hint=f"one of {', '.join(POSTURES)}")
        closes = POSTURES.index(posture) <= POSTURES.index(self._live.posture)
        done = await self._recorded(lambda: self._live.set_posture(posture), "posture", closes=closes, posture=posture)
        return {"posture": posture, **done}

    async def _verdict(self, request: Request) -> Answer:
        raw = {"scope": "task", "expires": None, "reason": ""} | request
        raw["verdict"] = raw.pop("verb")
        verdict = LiveVerdict.from_json(raw)
        self._live.check(verdict)
        row = verdict.as_json()
        closes = verdict.verdict == "deny"
        done = await self._recorded(lambda: self._live.apply(verdict), "verdict", closes=closes, **row)
        return {"verdict": row, **done}

    async def _revoke(self, request: Request) -> Answer:
        target = str(request.get("target"))
        if not await self._live.revoke(target):
            raise PolicyError(f"there is no verdict about {target[:200]}", hint="see `terok-sandbox shield rules`")
        self._sightings.note("verdict", target=target, verdict="revoked")
        return {"target": target}

    async def _reset(self, request: Request) -> Answer:
        del request
        self._sightings.note("posture", posture="up", reason="reset")
        await self._live.reset()
        return {"posture": "up"}

    async def _resolved(self, request: Request) -> Answer:
        from terok_sandbox.shield.upstream import UpstreamError

        name = folded(str(request.get("name")))
        try:
            decision, judged = await self._resolve(name)
        except UpstreamError as error:
            raise ShieldError(f"{name}: {error}") from error
        found = [{"address": str(one), "verdict": each.verdict, "reason": each.reason} for one, each in judged]
        return {"name": name, "verdict": decision.verdict, "reason": decision.reason, "addresses": found}


def listen_control(sidecar: Sidecar) -> socket.socket:
    """Return the control listener; raises `ShieldError`.

    A gateway listens before it reads what is kept on disk: whoever finds no listener may write that file, and tries
    the listener once more afterwards.
    """
    path = sidecar.runtime_dir / DIRECTORY / SOCKET
    try:
        ensure_dir(path.parent)
        return unix_sockets.listen(path, kind=socket.SOCK_STREAM, backlog=MAX_CONNECTIONS)
    except (OSError, TerokError) as error:
        raise ShieldError(f"{path}: cannot listen: {error}") from error


async def serve_control(sidecar: Sidecar, listener: socket.socket, controls: Controls) -> None:
    """Serve `listener` until cancelled; raises `NetnsError` when the rules cannot be changed any more."""
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[None] = loop.create_future()
    connections: set[asyncio.Task[None]] = set()
    server = await asyncio.start_unix_server(
        lambda r, w: _connection(controls, r, w, connections, failed), sock=listener, limit=MAX_LINE
    )
    try:
        async with server:
            await failed
    finally:
        for task in connections:
            task.cancel()
        (sidecar.runtime_dir / DIRECTORY / SOCKET).unlink(missing_ok=True)


async def _connection(
    controls: Controls,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    connections: set[asyncio.Task[None]],
    failed: asyncio.Future[None],
) -> None:
    task = asyncio.current_task()
    assert task is not None
    uid = unix_sockets.peer_uid(writer.get_extra_info("socket"))
    if uid == os.geteuid() and len(connections) < MAX_CONNECTIONS:
        connections.add(task)
        try:
            with suppress(TimeoutError, OSError, ValueError, asyncio.CancelledError):
                await _requests(controls, reader, writer)
        except (NetnsError, AuditError) as error:
            if not failed.done():
                failed.set_exception(error)
        connections.discard(task)
    writer.close()


async def _requests(controls: Controls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        async with asyncio.timeout(IDLE):
            line = await reader.readline()
        if not line.endswith(b"\n"):
            return
        writer.write(json.dumps(await controls.answer(line)).encode() + b"\n")
        async with asyncio.timeout(IDLE):
            await writer.drain()
