"""`terok storage`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from terok_util import show, table

from terok.model.shown import size
from terok.services import Tasks
from terok.services.storage import Held, Storage
from terok.services.storage_cleaning import Cleaning

if TYPE_CHECKING:
    from collections.abc import Iterator


def show_all(everything: bool, as_json: bool) -> int:
    """Print what is kept; 1 if something could not be measured."""
    with Tasks(create=False) as tasks:
        held = Storage(tasks).held()
    kinds = [
        {"kind": kind, "number": number, "bytes": total, "whole": whole} for kind, number, total, whole in held.kinds()
    ]
    rules = {"free": held.free, "floor": held.floor, "low": held.low, "trash_days": held.trash_days}
    places = {"places": held.places} if everything else {}
    value = {"kinds": kinds, **places, **rules, "failures": held.failures}
    show(value, as_json, _lines(held, everything=everything))
    return 1 if held.failures else 0


def clean(yes: bool, as_json: bool) -> int:
    """Print what is not needed, and with `yes` remove it; 1 if something is still there then, or was not asked."""
    with Tasks(create=False) as tasks:
        cleaning = Cleaning(tasks)
        found = cleaning.found()
        done = cleaning.remove(found) if yes else found
        failures = cleaning.failures
    failed = [one for one in done if one.failed]
    lines = [f"{one.kind} {one.name}  {size(one.bytes)}  {one.failed or one.reason}" for one in done]
    total = size(sum(one.bytes for one in done if not one.failed))
    if done:
        lines.append(f"{len(done) - len(failed)} removed, {total}" if yes else f"{total}; --yes removes them")
    elif not failures:
        lines.append("nothing to remove")
    lines += [f"FAILED  {failure}" for failure in failures]
    rows = [asdict(one) | {"removed": yes and not one.failed} for one in done]
    show({"found": rows, "failures": failures}, as_json, lines)
    return 1 if failed or failures else 0


def _lines(held: Held, *, everything: bool) -> Iterator[str]:
    if everything:
        rows = ((one.kind, one.name, size(one.bytes, whole=one.whole), one.note) for one in held.places)
        yield from table(("KIND", "NAME", "SIZE", ""), rows)
    else:
        kinds = ((kind, number, size(total, whole=whole)) for kind, number, total, whole in held.kinds())
        yield from table(("KIND", "NUMBER", "SIZE"), kinds)
    room = "unknown" if held.free is None else size(held.free)
    yield f"free: {room}; below {size(held.floor)} no task starts{' — that is so now' if held.low else ''}"
    yield f"deleted tasks can be brought back for {held.trash_days} days; `terok storage clean` lists what can go"
    yield from (f"FAILED  {failure}" for failure in held.failures)
