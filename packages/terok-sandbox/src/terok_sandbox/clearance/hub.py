"""The hub in a container's gateway: receives refusals, asks whoever has subscribed, brings verdicts into effect."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from terok_util import TerokError

from terok_sandbox.audit import AuditLog
from terok_sandbox.clearance.dossier import DOSSIER_FILE, read_dossier
from terok_sandbox.clearance.errors import BadVerdict, ClearanceError
from terok_sandbox.clearance.journal import ANSWERS_FILE, JOURNAL_FILE, Answers, RequestJournal
from terok_sandbox.clearance.model import ClearanceRequest, Target, Verdict
from terok_sandbox.clearance.queue import ClearanceQueue, Sighting
from terok_sandbox.errors import AuditError, NetnsError
from terok_sandbox.shield.asker import RefusedDestination
from terok_sandbox.shield.control import MAX_SUBSCRIBERS, Connection, Operation
from terok_sandbox.shield.live import LivePolicy
from terok_sandbox.shield.live_store import LiveVerdict
from terok_sandbox.shield.protocol import Fields, encode
from terok_sandbox.sidecar import Sidecar
from terok_sandbox.values.facts import Fact, Inside, Question, QuestionState

_log = logging.getLogger(__name__)

UPKEEP_SECONDS: Final = 5.0


class ClearanceHub:
    """The questions of one container. Implements the gateway's `Asker`; one event loop.

    `audit` gets a row before a verdict takes effect; `clock` is in seconds since the epoch; `pid` is the container's
    first process.
    """

    def __init__(
        self,
        sidecar: Sidecar,
        live: LivePolicy,
        *,
        audit: AuditLog,
        clock: Callable[[], float] = time.time,
        pid: int = 0,
        tell: Callable[[Fact], None] = lambda _: None,
    ) -> None:
        self._container = sidecar.container_name
        self._project = sidecar.scope
        self._unasked = frozenset(sidecar.shield.unasked)
        self._live = live
        self._audit = audit
        self._clock = clock
        self._pid = pid
        self._tell_fact = tell
        self._dossier_path = sidecar.gateway_dir / DOSSIER_FILE
        self.queue = ClearanceQueue(self._container, now=clock())
        self._journal = RequestJournal(sidecar.gateway_dir / JOURNAL_FILE, self.queue)
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
            self._answers.add_question(request)
            self._tell(request, "open")
        self._answers.write()

    def report_refusal(self, refused: RefusedDestination) -> None:
        """Make a question of a destination that stays refused, if a verdict could open it."""
        self._record_sighting(refused)

    async def delay_answer(self, refused: RefusedDestination) -> LiveVerdict | None:
        """Wait for a verdict; `None` at once if nobody could ask, or asked in vain and nobody has answered since."""
        sighting = self._record_sighting(refused)
        if sighting is None or sighting.request is None or not any(self._subscribers.values()):
            return None
        number = sighting.request.id
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
        # Two front ends may answer at once: the second must find the request gone.
        async with self._turn:
            request = self.queue.check(request_id, target)
            if verdict.duration == "project" and not self._project:
                raise BadVerdict("the container belongs to no project", hint="answer for the task instead")
            now = self._clock()
            live = live_verdict(request.target, verdict, now)
            self._live.check(live)
            self._audit.append("verdict", **_audit_fields(request, verdict))
            await self._live.apply(live)
            self.queue.decide(request_id, target, verdict, now)
        # Whoever waits goes on first: the journal is only for the next gateway.
        self._release(request, live)
        try:
            self._journal.add_verdict(request, verdict, now)
        except ClearanceError as error:  # replayed, the question is asked once more
            _log.warning("an answer is not in the journal: %s", error.message)
        self._answers.add_answer(request, verdict)
        self._tell(request, verdict.action)
        self._notify("resolved", id=request.id, target=target, outcome=verdict.action, verdict=verdict.to_json())
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
        # A verdict on its way must find its request.
        for request in () if self._turn.locked() else self.queue.expire(self._clock()):
            with suppress(ClearanceError):  # replayed, it expires again
                self._journal.add_expiry(request)
            self._answers.add_expiry(request)
            self._release(request, None)
            self._tell(request, "expired")
            self._notify("resolved", id=request.id, target=str(request.target), outcome="expired")

    def relabel(self) -> None:
        """Show waiting questions with the dossier as it is now, so that a renamed task is asked for by its new name."""
        for request in self.queue.relabel(self._dossier()) if self.queue.waiting else ():
            self._notify("request", request=request.to_json())

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

    def _record_sighting(self, refused: RefusedDestination) -> Sighting | None:
        target = askable_target(refused)
        if target is None or target.name in self._unasked:
            return None
        sighting = self.queue.record_sighting(target, refused.reason, self._clock(), self._dossier)
        request = sighting.request
        if request is None:
            return sighting
        if sighting.kind == "new":
            try:
                self._journal.add_request(request)
            except ClearanceError as error:
                _log.warning("a question is not on disk: %s", error.message)
            self._answers.add_question(request)
        if request.count & (request.count - 1) == 0:  # the first sighting, then at doubling counts
            client = {} if refused.client is None else {"client": [self._pid, *refused.client]}
            self._notify("request", request=request.to_json(), **client)
            self._tell(request, "open")
        return sighting

    def _dossier(self) -> dict[str, str]:
        texts = {"project": self._project} if self._project else {}
        return texts | read_dossier(self._dossier_path)

    def _release(self, request: ClearanceRequest, verdict: LiveVerdict | None) -> None:
        self._in_vain.discard(request.id)
        waiting = self._holds.pop(request.id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(verdict)

    def _tell(self, request: ClearanceRequest, state: QuestionState) -> None:
        target, now = Inside(str(request.target)), self._clock()
        since = request.first_seen
        self._tell_fact(Question(at=now, id=request.id, state=state, since=since, target=target, count=request.count))

    def _notify(self, kind: str, **fields: Any) -> None:
        line = encode(kind, **fields)
        for connection in self._subscribers:
            connection.send_event(line)


def askable_target(refused: RefusedDestination) -> Target | None:
    """Return the target to ask about, `None` when no verdict could open it."""
    if not refused.askable:
        return None
    name, proto = refused.name.lower(), refused.proto or "tcp"
    if proto not in ("tcp", "udp") or (refused.port is None and not name):
        return None
    target = Target(name, refused.dest, refused.port, proto)
    try:
        LiveVerdict(str(target), "allow").rule()
    except TerokError:  # a spelling that no rule can name
        return None
    return target


def live_verdict(target: Target, verdict: Verdict, now: float) -> LiveVerdict:
    """Return `verdict` as a live verdict of the shield."""
    lasting = verdict.duration in ("task", "project")
    expires = None if lasting else datetime.fromtimestamp(now, UTC) + timedelta(seconds=verdict.seconds)
    reason = verdict.reason or f"{'allowed' if verdict.allowed else 'denied'} {verdict.span} by a person"
    return LiveVerdict(str(target), verdict.action, verdict.duration, expires, reason)


def _audit_fields(request: ClearanceRequest, verdict: Verdict) -> dict[str, Any]:
    target = request.target
    fields = {"name": target.name, "dest": target.address, "port": target.port, "proto": target.proto}
    fields |= {"request": request.id, "verdict": verdict.action, "scope": verdict.duration}
    fields |= {"minutes": verdict.minutes, "reason": verdict.reason}
    return {key: value for key, value in fields.items() if value not in ("", None, 0)}
