"""Records what happens at the wall: audit rows without floods, and names for addresses that were blocked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, TypeVar

from terok_util.token_bucket import TokenBucket

from terok_sandbox.audit import AuditLog
from terok_sandbox.shield.asker import Asker, RefusedDestination
from terok_sandbox.shield.nflog import BlockedPacket
from terok_sandbox.shield.policy.addresses import Address
from terok_sandbox.shield.resolver import Event
from terok_sandbox.shield.ruleset.layout import PASSING

K = TypeVar("K")
V = TypeVar("V")

REPEAT: Final = 30.0  # seconds in which the same destination makes one row
BURST: Final = 100.0
PER_SECOND: Final = 10.0
_REMEMBERED: Final = 4096


class Sightings:
    """Writes the shield's audit rows: one per destination and reason in 30 s, at most 10 a second after a burst of 100.

    What is allowed has a rate of its own, so that a flood of refusals does not hide it. Rows that were left out are
    counted in the `suppressed` field of the next one, and what they were about is written when it is seen again.
    """

    def __init__(self, audit: AuditLog, *, clock: Callable[[], float], asker: Asker | None = None) -> None:
        self._audit = audit
        self._asker = asker
        self._clock = clock
        self._seen: OrderedDict[Hashable, float] = OrderedDict()
        self._names: OrderedDict[Address, str] = OrderedDict()
        self._allowed: OrderedDict[Hashable, None] = OrderedDict()
        self._refusals, self._allows = (TokenBucket(burst=BURST, per_second=PER_SECOND, now=clock()) for _ in range(2))
        self._suppressed = 0

    def record_event(self, event: Event) -> None:
        """Write a row for a refused name, and one for a name and port the first time a rule allows it."""
        fields = {"name": event.name, "dest": event.dest, "port": event.port, "proto": event.proto}
        fields |= {"reason": event.reason, "tier": event.tier, "rule": event.rule}
        if event.action == "allowed":
            key = (event.name, event.port, event.reason, event.rule)
            if key not in self._allowed and self._write(self._allows, event.action, **fields):
                _remember(self._allowed, key, None)
            return
        written = self._write_once(("name", event.name, event.dest, event.port, event.reason), event.action, **fields)
        # Repetitions within the window ask nobody again.
        if written and event.action == "refused":
            place = (event.name, event.dest, event.port, event.proto)
            self._report(RefusedDestination(*place, event.reason, event.tier, event.rule))

    def record_packet(self, packet: BlockedPacket) -> None:
        """Write a row for a packet that the rules refused."""
        name, dest = self._names.get(packet.dest, ""), str(packet.dest)
        fields = {"dest": dest, "port": packet.port, "proto": packet.proto, "name": name}
        fields |= {"reason": packet.reason, "tier": packet.layer}
        passing = packet.layer in PASSING
        key = (packet.dest, packet.port, packet.proto, packet.layer)
        if self._write_once(key, "passed" if passing else "blocked", **fields) and not passing:
            self._report(RefusedDestination(name, dest, packet.port, packet.proto, packet.reason, packet.layer))

    def record_act(self, action: str, **fields: object) -> None:
        """Write a row about an act of a person: never left out."""
        self._audit.append(action, **fields)

    def _report(self, refused: RefusedDestination) -> None:
        if self._asker is not None:
            self._asker.report_refusal(refused)

    def name_address(self, address: Address, name: str) -> None:
        """Remember that `name` resolved to `address`, opened or not."""
        _remember(self._names, address, name)

    def _write_once(self, key: Hashable, action: str, **fields: object) -> bool:
        now = self._clock()
        if now - self._seen.get(key, float("-inf")) < REPEAT:
            self._suppressed += 1
            return False
        if not self._write(self._refusals, action, **fields):
            return False
        _remember(self._seen, key, now)
        return True

    def _write(self, bucket: TokenBucket, action: str, **fields: object) -> bool:
        if not bucket.take_token(self._clock()):
            self._suppressed += 1
            return False
        if self._suppressed:
            fields["suppressed"], self._suppressed = self._suppressed, 0
        self._audit.append(action, **{key: value for key, value in fields.items() if value not in ("", None)})
        return True


def _remember(memory: OrderedDict[K, V], key: K, value: V) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > _REMEMBERED:
        memory.popitem(last=False)
