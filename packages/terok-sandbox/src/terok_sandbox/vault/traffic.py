"""What went through in one exchange: counted for the audit, shown to the meter."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from terok_sandbox.vault.hooks import ResponseObserver
    from terok_sandbox.vault.wire.head import ResponseHead

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Traffic:
    """Body or message bytes that went through so far, as the container sees them."""

    sent: int = 0
    received: int = 0
    observer: ResponseObserver | None = field(default=None, repr=False)
    _failed: bool = False

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
        self._tell(lambda observer: observer.feed(data))

    def end(self, outcome: str) -> None:
        """Tell the meter that the exchange is over."""
        self._failed = False  # whatever the observer missed, it learns that this is over
        self._tell(lambda observer: observer.end(self.sent, self.received, outcome))
        self.observer = None

    def _tell(self, call: Callable[[ResponseObserver], None]) -> None:
        if self.observer is None or self._failed:
            return
        try:
            call(self.observer)
        except Exception:  # noqa: BLE001 - counting must not break what is counted
            _log.exception("the meter failed; it sees no more of this exchange")
            self._failed = True
