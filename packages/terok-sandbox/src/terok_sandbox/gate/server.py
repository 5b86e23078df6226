"""Serve one mirror over git's smart HTTP protocol on a given listening socket."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import socket
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from terok_util.door import Door, Seat
from terok_util.process import limit
from terok_util.text import safe_text

from terok_sandbox.gate.backend import Backend, inflated, uninterrupted
from terok_sandbox.gate.disk import disk_use
from terok_sandbox.gate.errors import GateError, InspectionPolicyError
from terok_sandbox.gate.http import Call, serve_calls
from terok_sandbox.gate.inspect.objects import process_limits, stored_bytes
from terok_sandbox.gate.inspect.policy import load_policy
from terok_sandbox.gate.invoke import spawn_service
from terok_sandbox.gate.layout import hooks_path, install_hook, sweep_quarantine
from terok_sandbox.gate.push_check import PushCheck
from terok_sandbox.gate.request import GateRefusal, GateRequest, authorize, route
from terok_sandbox.http1.served import Client
from terok_sandbox.http1.stream import Deadlines
from terok_sandbox.sidecar import GateWiring
from terok_sandbox.values.facts import Push

_SMALL: Final = 1024 * 1024
"""Bytes of a request that are awaited before git starts, so that its size is known; git sends bigger ones in chunks."""
_MEASURE_SECONDS: Final = 30.0
_FULL: Final = (
    "the mirror has reached its limit mirror_bytes; tell the person who runs it: "
    "'terok-sandbox gate gc {0}', or 'gate policy {0} --limit mirror_bytes=NUMBER'"
)
_DRAIN_SECONDS: Final = 2.0
"""How long calls under way may go on once the gate closes."""
_END_SECONDS: Final = 10.0
_READY_SECONDS: Final = 10.0
"""How long these wait for a push."""
_GREETING: Final = GateRequest("advertise", "upload-pack", "version=2")

_Tell = Callable[[Push], None]
_Record = Callable[[dict[str, object]], None]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Limits for one container."""

    push_bytes: int = 2 * 1024**3  # of one pack
    push_memory: int = 2 * 1024**3  # bytes that a process which unpacks it may allocate, see `process_limits`
    free_bytes: int = 1024**3  # of the disk that pushes leave free
    calls: int = 8  # at once
    pushes: int = 2  # of these
    connections: int = 128
    queue_seconds: float = 60.0  # that a call waits for its turn
    idle_seconds: float = 120.0  # without a byte in either direction that end a call
    call_seconds: float = 3600.0  # that end it in any case


async def serve_gate(
    sock: socket.socket,
    wiring: GateWiring,
    *,
    stop: asyncio.Event,
    limits: GateLimits | None = None,
    who: str = "container",
    tell: _Tell = lambda _: None,
    record: _Record = lambda _: None,
) -> None:
    """Serve `wiring`'s mirror on the listening `sock` to `who` until `stop` ends all calls; the socket is left open.

    `tell` gets the facts of its pushes, `record` the audit row of each ref once it is known what became of it.
    """
    if wiring.mirror.is_dir():
        install_hook(wiring.mirror)  # an older version's hook would not ask for the inspection
    gate = _Gate(wiring, limits or GateLimits(), who, tell, record)
    await asyncio.to_thread(sweep_quarantine, wiring.mirror)
    deadlines = Deadlines()

    async def enter(connection: socket.socket, seat: Seat) -> None:
        await Client(deadlines, seat).serve(connection, lambda client: serve_calls(client, gate.handle))

    door = Door("gate", gate.limits.connections)
    door.open(sock, enter)
    try:
        await stop.wait()
    finally:
        await door.close_connections(_DRAIN_SECONDS)
        deadlines.stop()
        await gate.ended()


def backend_config(wiring: GateWiring) -> dict[str, str]:
    """Return the command-level settings of every call, beyond the guard that all our git calls have."""
    return {
        "core.hooksPath": str(hooks_path(wiring.mirror)),
        "core.logAllRefUpdates": "always",
        "core.bigFileThreshold": "32m",  # bigger files are streamed, not held in memory and not searched for deltas
        "pack.windowMemory": "256m",
        "receive.fsck.nulInCommit": "error",  # git shows nothing of what follows it
        "transfer.hideRefs": "refs/terok",
        "receive.advertisePushOptions": "false",
        "receive.denyDeletes": "false",
        "receive.denyNonFastForwards": "false",
        "receive.denyDeleteCurrent": "refuse",
        "receive.shallowUpdate": "false",
        "receive.updateServerInfo": "false",
        "uploadpack.allowAnySHA1InWant": "false",
        "uploadarchive.allowUnreachable": "false",
    }


class _Gate:
    def __init__(self, wiring: GateWiring, limits: GateLimits, who: str, tell: _Tell, record: _Record) -> None:
        self._wiring = wiring
        self._who = who
        self._tell = tell
        self._record = record
        self.limits = limits
        self._config = backend_config(wiring)
        self._slots = asyncio.Semaphore(limits.calls)
        self._pushes = asyncio.Semaphore(limits.pushes)
        # The first answer in version 2 of the protocol depends on git and the kind of repository, not on its refs.
        self._greeting = b""
        self._measured: tuple[float, int] | None = None
        self._most = 0
        self._ready: _Push | None = None
        self._forgetting: asyncio.Task[None]

    async def ended(self) -> None:
        """Wait until no backend runs any more."""
        await self._forget_push()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                for _ in range(self.limits.calls):
                    await self._slots.acquire()

    async def handle(self, call: Call) -> None:
        """Answer one call."""
        presented = call.headers.get("authorization")
        refusal = authorize(presented, self._wiring.token_sha256)
        if refusal is not None:
            # Git asks without its token first: a connection that has sent no body yet can be used again.
            lfs = "/info/lfs/" in call.target
            return call.refuse(replace(refusal, lfs=lfs), close=presented is not None or call.has_body)
        wanted = route(call.method, call.target, call.headers, self._wiring.name)
        if isinstance(wanted, GateRefusal):
            return call.refuse(wanted)
        if wanted.action == "head":
            return self._head(call)
        if self._greeting and wanted == _GREETING and (self._wiring.mirror / "HEAD").is_file():
            return call.answer(_headers(wanted), self._greeting)
        try:
            async with asyncio.timeout(self.limits.queue_seconds):
                await self._slots.acquire()
        except TimeoutError:
            return call.refuse(GateRefusal(503, "too many git operations at once", (("Retry-After", "10"),)))
        try:
            async with asyncio.timeout(self.limits.call_seconds):
                await self._call(call, wanted)
        except GateError as error:
            log.warning("%s", safe_text(error.message, limit=500))
            call.refuse(GateRefusal(502, "the gate could not run git"))
        except (zlib.error, EOFError):
            call.refuse(GateRefusal(400, "the body is not what its encoding says"))
        except TimeoutError:
            log.warning("a git operation took too long and was ended")
            call.cut()
        finally:
            self._slots.release()

    def _head(self, call: Call) -> None:
        try:
            call.answer({"Content-Type": "text/plain"}, (self._wiring.mirror / "HEAD").read_bytes())
        except OSError as error:
            log.warning("the mirror cannot be read: %s", error.strerror)
            call.refuse(GateRefusal(502, "the mirror cannot be read"))

    def _room(self) -> int:
        return shutil.disk_usage(self._wiring.mirror).free - self.limits.free_bytes

    async def _quota(self) -> int:
        mirror, now = self._wiring.mirror, asyncio.get_running_loop().time()
        if self._measured is None or now - self._measured[0] > _MEASURE_SECONDS:
            self._measured = now, await asyncio.to_thread(disk_use, mirror)
        try:
            return load_policy(mirror).limits.mirror_bytes - self._measured[1]
        except InspectionPolicyError:
            return self.limits.push_bytes  # the inspection refuses, and says why

    async def _call(self, call: Call, wanted: GateRequest) -> None:
        if wanted.service == "receive-pack" and (refusal := await self._full()):
            return call.refuse(refusal)
        if wanted.action == "advertise":
            async with self._backend(wanted) as backend:
                backend.feed(None)
                served = await self._answer(call, wanted, backend)
            if wanted.service == "receive-pack" and served:
                await self._expect_push(wanted.protocol)
            return None
        body = call.body(self.limits.idle_seconds)
        body = inflated(body) if wanted.gzip else body
        if wanted.service == "upload-pack":
            async with self._backend(wanted) as backend:
                backend.feed(body)
                await self._answer(call, wanted, backend)
            return None
        async with self._pushes, self._next_push(wanted.protocol) as push:
            size, body = await _counted(body, self.limits.idle_seconds)
            stored = None if size is None else size + stored_bytes(self._wiring.mirror)
            limits = process_limits(stored, self.limits.push_memory)
            limit(push.backend.process, limits.memory, limits.seconds)
            push.backend.feed(body)
            try:
                await self._answer(call, wanted, push.backend)
            finally:
                self._measured = (self._measured[0], self._measured[1] + size) if self._measured and size else None

    async def _full(self) -> GateRefusal | None:
        self._most = min(self.limits.push_bytes, self._room(), await self._quota())
        if self._most > 0:
            return None
        if self._room() <= 0:
            return GateRefusal(507, "the disk of the gate is nearly full; tell the person who runs it")
        return GateRefusal(507, _FULL.format(self._wiring.name))

    def _backend(
        self, wanted: GateRequest, check: PushCheck | None = None, bounds: Mapping[str, str] | None = None
    ) -> Backend:
        service = spawn_service(
            self._wiring.mirror,
            wanted.service,
            config=self._config | dict(bounds or {}),
            protocol=wanted.protocol,
            advertise=wanted.action == "advertise",
            pass_fds=check.inherited if check else (),
            variables=check.variables if check else {},
            who=self._who,
        )
        return Backend(service, idle_timeout=self.limits.idle_seconds)

    async def _push(self, protocol: str) -> _Push:
        bounds = {"receive.maxInputSize": str(self._most), "pack.threads": "3"}
        check = PushCheck(self._wiring.mirror, lambda report: self._tell_all(report.facts("inspected")))
        try:
            backend = self._backend(GateRequest("call", "receive-pack", protocol), check, bounds)
        except GateError:
            check.close_pipes()
            raise
        push = _Push(protocol, self._most, check, backend)
        try:
            check.start()
        except OSError as error:
            await push.stop()
            raise GateError(f"a push cannot be inspected: {error.strerror}") from error
        return push

    async def _expect_push(self, protocol: str) -> None:
        """Start the processes for a push, because a client that asks for the refs to push to will send one soon."""
        await self._forget_push()
        self._ready = await self._push(protocol)
        self._forgetting = asyncio.get_running_loop().create_task(self._forget_push(_READY_SECONDS))

    async def _forget_push(self, seconds: float = 0) -> None:
        await asyncio.sleep(seconds)
        if push := self._take_ready():
            await uninterrupted(push.stop())

    def _take_ready(self) -> _Push | None:
        push, self._ready = self._ready, None
        if push is not None and self._forgetting is not asyncio.current_task():
            self._forgetting.cancel()
        return push

    @contextlib.asynccontextmanager
    async def _next_push(self, protocol: str) -> AsyncIterator[_Push]:
        push = self._take_ready()
        if push is not None and (push.protocol != protocol or push.most > self._most):
            await uninterrupted(push.stop())
            push = None
        push = push or await self._push(protocol)
        try:
            yield push
        finally:
            try:
                await uninterrupted(push.stop())
            finally:  # a client that hangs up behind its answer cancels this
                if (report := push.check.report) is not None:
                    outcome = list(report.outcome(self._wiring.mirror))
                    self._tell_all(outcome)
                    for row in report.rows(outcome):
                        self._record(row)

    def _tell_all(self, facts: Iterable[Push]) -> None:
        for fact in facts:
            self._tell(fact)

    async def _answer(self, call: Call, wanted: GateRequest, backend: Backend) -> bool:
        """Pass on what git says; return whether it said anything."""
        chunk = await backend.read()
        if not chunk and await backend.finish() != 0:
            call.refuse(GateRefusal(502, "git could not serve this"))
            return False
        call.begin(_headers(wanted))
        greeting = b""
        chunk = _preface(wanted) + chunk
        while chunk:
            greeting += chunk if wanted == _GREETING else b""
            await call.send(chunk, self.limits.idle_seconds)
            chunk = await backend.read()
        if await backend.finish() != 0:
            log.info("git %s ended with an error", wanted.service)
        elif wanted == _GREETING:
            self._greeting = greeting
        call.end()
        return True


@dataclass(frozen=True, slots=True)
class _Push:
    """The processes of a push of at most `most` bytes: git, and the inspection."""

    protocol: str
    most: int
    check: PushCheck
    backend: Backend

    async def stop(self) -> None:
        """Kill what is still at work."""
        await self.backend.stop()
        await self.check.stop()


def _headers(wanted: GateRequest) -> dict[str, str]:
    kind = wanted.content_type("advertisement" if wanted.action == "advertise" else "result")
    return {"Content-Type": kind, "Cache-Control": "no-cache, max-age=0, must-revalidate"}


def _preface(wanted: GateRequest) -> bytes:
    """Return what precedes an advertisement in all versions of the protocol but the second."""
    if wanted.action != "advertise" or wanted == _GREETING:
        return b""
    line = f"# service=git-{wanted.service}\n".encode()
    return b"%04x%b0000" % (len(line) + 4, line)


async def _counted(body: AsyncIterator[bytes], patience: float) -> tuple[int | None, AsyncIterator[bytes]]:
    """Return the size of a body, None above `_SMALL` bytes, and the body; TimeoutError after `patience` seconds."""
    first: list[bytes] = []
    size = 0
    while size <= _SMALL:
        async with asyncio.timeout(patience):
            chunk = await anext(body, b"")
        if not chunk:
            return size, _joined(first, None)
        first.append(chunk)
        size += len(chunk)
    return None, _joined(first, body)


async def _joined(first: list[bytes], rest: AsyncIterator[bytes] | None) -> AsyncIterator[bytes]:
    while first:
        yield first.pop(0)
    if rest is not None:
        async for chunk in rest:
            yield chunk
