"""The change feed as a library: what is recorded, or what comes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from terok.model.task import Event, Task
from terok.store import Snapshot, Store
from terok.wire import subscribe

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT_A_TIME = 1000
_PAUSE = 0.2
"""Seconds before a controller that has ended is started again."""


def events(*, follow: bool = False, after: int | None = None) -> Iterator[Snapshot | Event]:
    """Yield the recorded events behind number `after`; with `follow` without end, as they come.

    To follow begins with a `Snapshot` of all tasks, unless `after` is the number of an event that is still kept. The
    controller is started for that; one that ends is followed by the next, from the same place. Raises ControllerError,
    StoreError.
    """
    while follow:
        for happened in _followed(after):
            after = happened.seq
            yield happened
        time.sleep(_PAUSE)
    with Store(create=False) as store:
        seq = after or 0
        while found := store.events_after(seq, _AT_A_TIME):
            seq = found[-1].seq
            yield from found


def _followed(after: int | None) -> Iterator[Snapshot | Event]:
    for kind, fields in subscribe(after):
        if kind == "snapshot":
            yield Snapshot([Task(**row) for row in fields["tasks"]], fields["seq"])
        elif kind == "event":
            yield Event(**fields)
