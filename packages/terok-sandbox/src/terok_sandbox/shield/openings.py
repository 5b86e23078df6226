"""Which addresses names have opened in the rules, remembered so that a later denial can close them and end their flows.

A flow outlives the time for which its address was open, and the gateway too; so does this.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from terok_util import TerokError, write_sensitive_file

from terok_sandbox.errors import ShieldError
from terok_sandbox.shield.policy import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from terok_sandbox.shield.policy.addresses import Address
    from terok_sandbox.shield.ruleset import Learned

FILE: Final = "shield-opened.jsonl"
MAX_OPENINGS: Final = 16_384
KEPT_SECONDS: Final = 86_400.0
"""With `MAX_OPENINGS` younger than this no further address opens: what is forgotten could not be closed again."""
_RENEWED: Final = 3600.0

Opening = tuple[str, "Address", Service]


class Openings:
    """Name, address and service, by when they were last opened, to an hour; `clock` is in seconds since the epoch."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._seen: OrderedDict[Opening, float] = OrderedDict()
        self._rows = 0
        with suppress(FileNotFoundError):
            self._load(path.read_text(encoding="ascii", errors="replace").splitlines())

    def __iter__(self) -> Iterator[Opening]:
        return iter(tuple(self._seen))

    def add(self, name: str, learned: Iterable[Learned]) -> None:
        """Remember what opens for `name`; raises `ShieldError` when it cannot: it must stay closed then."""
        now = self._clock()
        found = dict.fromkeys((name, one.address, one.service) for one in learned)
        fresh = [one for one in found if not 0 <= now - self._seen.get(one, float("-inf")) < _RENEWED]
        more = sum(one not in self._seen for one in fresh)
        while self._seen and len(self._seen) + more > MAX_OPENINGS:
            if now - next(iter(self._seen.values())) < KEPT_SECONDS:
                raise ShieldError(f"names have opened {MAX_OPENINGS} addresses within a day already")
            self._seen.popitem(last=False)
        for one in fresh:
            self._seen[one] = now
            self._seen.move_to_end(one)
        try:
            self._keep(fresh)
        except (OSError, TerokError) as error:
            raise ShieldError(f"{self._path}: {error}", hint="free some disk space") from error

    def remove(self, opening: Opening) -> None:
        """Forget what is closed again; in the file it stays, as closing it once more does no harm."""
        self._seen.pop(opening, None)

    def _keep(self, fresh: list[Opening]) -> None:
        self._rows += len(fresh)
        if self._rows > 2 * MAX_OPENINGS or self._rows == len(fresh) > 0:
            write_sensitive_file(self._path, "".join(map(self._row, self._seen)), durable=False)
            self._rows = len(self._seen)
        elif fresh:
            with self._path.open("a", encoding="ascii") as file:
                file.write("".join(map(self._row, fresh)))

    def _row(self, opening: Opening) -> str:
        name, address, service = opening
        return json.dumps([int(self._seen[opening]), name, str(address), service.protocol, service.port or 0]) + "\n"

    def _load(self, lines: list[str]) -> None:
        for line in lines:
            with suppress(ValueError, TypeError):  # torn by a crash
                seen, name, address, protocol, port, *_ = json.loads(line)
                one = (str(name), ip_address(address), Service(protocol, int(port) or None))
                self._seen[one] = float(seen)
                self._seen.move_to_end(one)
        self._rows = len(lines)
