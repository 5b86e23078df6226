"""One request on its way through the proxy: its record, and the bytes that pass, counted and shown to the meter."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from terok_sandbox.http1.head import WireError
from terok_sandbox.vault.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from terok_sandbox.http1.head import ResponseHead
    from terok_sandbox.vault.hooks import ResponseObserver

_log = logging.getLogger(__name__)

UNDECIDED = "failed"
"""The outcome of an exchange by default."""


class HeldBackError(WireError):
    """The last piece of a request must not leave; `refusal` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Traffic:
    """Body or message bytes that went through so far, as the container sees them.

    Setting `sent` and `received` tells the meter by how much they have grown. `stop` is called when no more may pass.
    """

    __slots__ = ("_failed", "_received", "_sent", "observer", "stop")

    def __init__(self) -> None:
        self._sent = self._received = 0
        self._failed = False
        self.observer: ResponseObserver | None = None
        self.stop: Callable[[Refusal], None] | None = None

    @property
    def sent(self) -> int:
        """Bytes from the container."""
        return self._sent

    @sent.setter
    def sent(self, value: int) -> None:
        grown, self._sent = value - self._sent, value
        self._moved(grown)

    @property
    def received(self) -> int:
        """Bytes to the container."""
        return self._received

    @received.setter
    def received(self, value: int) -> None:
        grown, self._received = value - self._received, value
        self._moved(grown)

    def ask(self, data: bytes, *, last: bool) -> None:
        """Show the meter a piece of the request's body, or a message, before it leaves.

        Raises:
            HeldBackError: the last piece must not leave.

        """
        if self.observer is not None:
            refusal = self._tell(lambda observer: observer.ask(data, last=last))
            if refusal is not None:
                raise HeldBackError(refusal)

    def begin(self, head: ResponseHead) -> None:
        """Show the answer's head to the meter."""
        if self.observer is not None:
            headers = {
                name.decode("ascii"): value.decode("utf-8", "replace")
                for name, (_, value) in zip(head.names, head.fields, strict=True)
            }
            self._tell(lambda observer: observer.begin(head.status, headers))

    def feed(self, data: bytes) -> None:
        """Show plain content of the answer to the meter."""
        if self.observer is not None:
            self._tell(lambda observer: observer.feed(data))

    def end(self, outcome: str) -> None:
        """Tell the meter that the exchange is over."""
        if self.observer is None:
            return
        self._failed = False  # whatever the observer missed, it learns that this is over
        self._tell(lambda observer: observer.end(self.sent, self.received, outcome))
        self.observer = None

    def _moved(self, size: int) -> None:
        if self.observer is not None:
            refusal = self._tell(lambda observer: observer.move(size))
            if refusal is not None and self.stop is not None:
                self.stop(refusal)

    def _tell(self, call: Callable[[ResponseObserver], Refusal | None]) -> Refusal | None:
        if self.observer is None or self._failed:
            return None
        try:
            return call(self.observer)
        except Exception:  # noqa: BLE001 - counting must not break what is counted
            _log.exception("the meter failed; it sees no more of this exchange")
            self._failed = True
        return None


@dataclass(slots=True)
class Exchange:
    """The record of a request so far."""

    number: str
    method: str = ""
    path: str = ""
    token_id: str = ""
    provider: str = ""
    status: int = 0
    outcome: str = UNDECIDED
    started: float = field(default_factory=time.monotonic)
    traffic: Traffic = field(default_factory=Traffic)
    stopped: Refusal | None = None
    """Why it was ended while it was under way."""
    over: bool = False
    task: asyncio.Task[Any] | None = None

    def stop(self, refusal: Refusal) -> None:
        """End it from outside: its task is cancelled with the next turn of the loop, unless it is over by then."""
        if self.stopped is None and not self.over and self.task is not None:
            self.stopped, self.outcome = refusal, refusal.reason
            self.task.get_loop().call_soon(self._cancel)

    def _cancel(self) -> None:
        if not self.over and self.task is not None:
            self.task.cancel()
