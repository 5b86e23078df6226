"""The gateway's view of whoever answers for people: it reports refusals, and may wait for a verdict.

Clearance implements `Asker`. A verdict reaches the gateway through `LivePolicy.apply`; after a wait the policy in force
is asked again, and nothing is trusted by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from terok_sandbox.shield.live_store import LiveVerdict

HOLD_SECONDS: Final = 7.0
"""How long a question may wait for a verdict; the `resolv.conf` of a launch lets C libraries wait a second longer."""


@dataclass(frozen=True, slots=True)
class RefusedDestination:
    """A refused name or address. `name` is empty for an address without a known name, `dest` for a bare name.

    All text may have been chosen by the container: escape it before showing it.
    """

    name: str
    dest: str
    port: int | None
    proto: str
    reason: str
    tier: str
    rule: str = ""
    client: tuple[str, int] | None = None
    """Protocol and port on the container's loopback, while the program that asked still waits there."""

    @property
    def askable(self) -> bool:
        """Whether a live verdict could open it: no stronger rule keeps it closed."""
        return self.tier == "default"


class Asker(Protocol):
    """The gateway's view of clearance. Neither method may raise; both must be quick to refuse a flood."""

    def report_refusal(self, refused: RefusedDestination) -> None:
        """Take note of a destination that stays refused."""
        ...

    async def delay_answer(self, refused: RefusedDestination) -> LiveVerdict | None:
        """Wait for a verdict on a name that is about to be refused; `None` when there is none in time.

        The caller cancels it after `HOLD_SECONDS`; the question is not waited for again until somebody has answered.
        """
        ...
