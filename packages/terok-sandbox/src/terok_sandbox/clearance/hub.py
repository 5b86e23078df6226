"""The hub in a container's gateway: takes refusals in, asks whoever is subscribed, brings verdicts into effect."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from terok_util import TerokError

from terok_sandbox.clearance.answers import FILE as ANSWERS_FILE
from terok_sandbox.clearance.answers import Answers
from terok_sandbox.clearance.dossier import DOSSIER_FILE, read_dossier
from terok_sandbox.clearance.errors import BadVerdict, ClearanceError
from terok_sandbox.clearance.journal import FILE as JOURNAL_FILE
from terok_sandbox.clearance.journal import Journal
from terok_sandbox.clearance.model import Target, Verdict
from terok_sandbox.clearance.queue import ClearanceQueue, Seen
from terok_sandbox.errors import AuditError, NetnsError
from terok_sandbox.shield.control import MAX_SUBSCRIBERS
from terok_sandbox.shield.live_store import LiveVerdict
from terok_sandbox.shield.protocol import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from terok_sandbox.audit import AuditLog
    from terok_sandbox.clearance.model import ClearanceRequest
    from terok_sandbox.shield.asker import Request
    from terok_sandbox.shield.control import Connection, Operation
    from terok_sandbox.shield.protocol import Fields
    from terok_sandbox.sidecar import Sidecar

_log = logging.getLogger(__name__)

UPKEEP_SECONDS: Final = 5.0


class Effect(Protocol):
    """Brings a verdict into force; `LivePolicy` is one."""

    async def apply(self, verdict: LiveVerdict) -> None:
        """Return when the rules have followed; raises `TerokError` when they cannot."""
        ...


class ClearanceHub:
    """The questions of one container. Implements the gateway's `Asker`; one event loop.

    `audit` gets a row before a verdict takes effect; `clock` is in seconds since the epoch; `pid` is the container's
    first process.
    """

    def __init__(
        self, sidecar: Sidecar, effect: Effect, *, audit: AuditLog, clock: Callable[[], float] = time.time, pid: int = 0
    ) -> None:
        self._container = sidecar.container_name
        self._project = sidecar.scope
        self._effect = effect
        self._audit = audit
        self._clock = clock
        self._pid = pid
        self._dossier_path = sidecar.gateway_dir / DOSSIER_FILE
        self.queue = ClearanceQueue(self._container, now=clock())
        self._journal = Journal(sidecar.gateway_dir / JOURNAL_FILE, self.queue)
        self._answers = Answers(sidecar.runtime_dir / "guest/clearance" / ANSWERS_FILE)
        self._holds: dict[str, asyncio.Future[LiveVerdict | None]] = {}
        self._in_vain: set[str] = set()
        self._subscribers: dict[Connection, bool] = {}
        """Each with whether a person behind it can answer: only then are names and connections held."""
        self._turn = asyncio.Lock()
        self.operations: dict[str, Operation] = {
            "subscribe": self._subscribe,
            "waiting": self._list_waiting,
            "decide": self._decide,
        }

    def restore(self) -> None:
        """Continue where the last gateway stopped; raises `ClearanceError`."""
        self._journal.replay(self._clock())
        for request in self.queue.waiting:
            self._answers.asked(request)
        self._answers.write()

    def blocked(self, request: Request) -> None:
        """Make a question of something that stays blocked, if a verdict could open it."""
        self._see(request)

    async def hold(self, request: Request) -> LiveVerdict | None:
        """Wait for the verdict about `request`; at once `None` while no front end is there that could ask.

        A question that was waited for in vain is not waited for again until somebody has answered it.
        """
        seen = self._see(request)
        if seen is None or seen.request is None or not any(self._subscribers.values()):
            return None
        number = seen.request.id
        if number in self._in_vain:
            return None
        waiting = self._holds.get(number)
        if waiting is None:
            waiting = self._holds[number] = asyncio.get_running_loop().create_future()
        try:
            return await asyncio.shield(waiting)
        finally:
            if not waiting.done() and self._holds.get(number) is waiting:
                self._in_vain.add(number)

    async def decide(self, request_id: str, target: str, verdict: Verdict) -> ClearanceRequest:
        """Record a verdict, bring it into force and release what waited for it.

        Raises `ClearanceError` when it does not match a waiting request, and `TerokError` when it cannot be
        recorded or take effect; the request goes on waiting then.
        """
        async with self._turn:
            request = self.queue.check(request_id, target)
            if verdict.scope == "project" and not self._project:
                raise BadVerdict("the container belongs to no project", hint="answer for the task instead")
            now = self._clock()
            live = live_verdict(request.target, verdict, now)
            live.rule()
            self._audit.append("verdict", **_audit_fields(request, verdict))
            await self._effect.apply(live)
            self.queue.decide(request_id, target, verdict, now)
        self._release(request, live)
        try:
            self._journal.verdict(request, verdict, now)
        except ClearanceError as error:  # replayed, the question is asked once more
            _log.warning("an answer is not in the journal: %s", error.message)
        self._answers.answered(request, verdict)
        self._tell("resolved", id=request.id, target=target, outcome=verdict.action, verdict=verdict.to_json())
        return request

    async def keep_up(self) -> None:
        """Expire and relabel questions until cancelled."""
        try:
            while True:
                await asyncio.sleep(UPKEEP_SECONDS)
                self.expire()
                self.relabel()
        finally:
            self._journal.close()

    def expire(self) -> None:
        """Close the questions that nobody has answered in time, but not while one is being answered."""
        for request in () if self._turn.locked() else self.queue.expire(self._clock()):
            with suppress(ClearanceError):  # replayed, it expires again
                self._journal.ended(request)
            self._answers.expired(request)
            self._release(request, None)
            self._tell("resolved", id=request.id, target=str(request.target), outcome="expired")

    def relabel(self) -> None:
        """Show waiting questions with the dossier as it is now, so that a renamed task is asked for by its new name."""
        for request in self.queue.relabel(self._dossier()) if self.queue.waiting else ():
            self._tell("request", request=request.to_json())

    async def _subscribe(self, connection: Connection, fields: Fields) -> Fields:
        if len(self._subscribers) >= MAX_SUBSCRIBERS and connection not in self._subscribers:
            raise ClearanceError(f"{MAX_SUBSCRIBERS} front ends have subscribed already", hint="close one of them")
        self._subscribers[connection] = fields.get("answers") is True
        connection.subscribe(lambda gone: self._subscribers.pop(gone, None))
        waiting = self.queue.waiting
        for request in waiting:
            connection.send_event(encode("request", request=request.to_json()))
        connection.send_event(encode("replayed", waiting=len(waiting), suppressed=self.queue.suppressed))
        return {"container": self._container, "project": self._project}

    async def _list_waiting(self, _: Connection, __: Fields) -> Fields:
        return {"requests": [request.to_json() for request in self.queue.waiting]}

    async def _decide(self, _: Connection, fields: Fields) -> Fields:
        request_id, target = fields.get("id"), fields.get("target")
        if not isinstance(request_id, str) or not isinstance(target, str):
            raise ClearanceError("a decision names the id and target of its request")
        try:
            request = await self.decide(request_id, target, Verdict.from_json(fields))
        except (NetnsError, AuditError) as error:  # nothing has changed: the question goes on waiting
            raise ClearanceError(error.message, hint=error.hint) from error
        return {"id": request.id}

    def _see(self, blocked: Request) -> Seen | None:
        target = askable_target(blocked)
        if target is None:
            return None
        seen = self.queue.see(target, blocked.reason, self._clock(), self._dossier)
        if seen.request is not None and seen.kind == "new":
            try:
                self._journal.request(seen.request)
            except ClearanceError as error:
                _log.warning("a question is not on disk: %s", error.message)
            self._answers.asked(seen.request)
        if seen.request is not None and _worth_telling(seen):
            client = {} if blocked.client is None else {"client": [self._pid, *blocked.client]}
            self._tell("request", request=seen.request.to_json(), **client)
        return seen

    def _dossier(self) -> dict[str, str]:
        """Return what is known of the container now."""
        found = {"project": self._project} if self._project else {}
        return found | read_dossier(self._dossier_path)

    def _release(self, request: ClearanceRequest, verdict: LiveVerdict | None) -> None:
        self._in_vain.discard(request.id)
        waiting = self._holds.pop(request.id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(verdict)

    def _tell(self, kind: str, **fields: Any) -> None:
        line = encode(kind, **fields)
        for connection in self._subscribers:
            connection.send_event(line)


def askable_target(blocked: Request) -> Target | None:
    """Return what to ask about, `None` when no verdict could open it."""
    if not blocked.askable:
        return None
    name, proto = blocked.name.lower(), blocked.proto or "tcp"
    if proto not in ("tcp", "udp") or (blocked.port is None and not name):
        return None
    target = Target(name, blocked.dest, blocked.port, proto)
    try:
        LiveVerdict(target.line, "allow").rule()
    except TerokError:  # a spelling that no rule can name
        return None
    return target


def live_verdict(target: Target, verdict: Verdict, now: float) -> LiveVerdict:
    """Return `verdict` as the shield takes it."""
    lasting = verdict.scope in ("task", "project")
    expires = None if lasting else datetime.fromtimestamp(now, UTC) + timedelta(seconds=verdict.seconds)
    reason = verdict.reason or f"{'allowed' if verdict.allowed else 'denied'} {verdict.span} by a person"
    return LiveVerdict(target.line, verdict.action, verdict.scope, expires, reason)


def _worth_telling(seen: Seen) -> bool:
    """Whether front ends hear of it: the first sighting, then at doubling counts."""
    count = seen.request.count if seen.request is not None else 0
    return count & (count - 1) == 0


def _audit_fields(request: ClearanceRequest, verdict: Verdict) -> dict[str, Any]:
    target = request.target
    fields = {"name": target.name, "dest": target.address, "port": target.port, "proto": target.proto}
    answer = {"verdict": verdict.action, "scope": verdict.scope, "minutes": verdict.minutes, "reason": verdict.reason}
    fields |= {"request": request.id, **answer}
    return {key: value for key, value in fields.items() if value not in ("", None, 0)}
