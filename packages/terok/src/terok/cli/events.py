"""`terok events`: the change feed, as it is recorded or as it comes."""

from __future__ import annotations

import time
from typing import Any

from terok_util import show_row

from terok.store import Store
from terok.wire import subscribe

_AT_A_TIME = 1000


def events(follow: bool, after: int | None, as_json: bool) -> int:
    """Print events; with `follow` until interrupted, first a snapshot unless `after` says where to go on."""
    if follow:
        _follow(after, as_json)
    seq = after or 0
    with Store(create=False) as store:
        while found := store.events_after(seq, _AT_A_TIME):
            seq = found[-1].seq
            for event in found:
                _print(event._asdict(), as_json)
    return 0


def _follow(after: int | None, as_json: bool) -> None:
    """Follow until interrupted; a controller that ends is followed by the next, from the same place."""
    while True:
        for kind, fields in subscribe(after):
            after = int(fields["seq"])
            if kind == "event":
                _print(fields, as_json)
            else:
                tasks = fields["tasks"]
                text = f"{len(tasks)} tasks, last event {after}"
                show_row({"type": kind, **fields}, as_json, text)


def _print(fields: dict[str, Any], as_json: bool) -> None:
    clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(fields["at"]))
    data = " ".join(f"{name}={value}" for name, value in fields["data"].items() if value not in (None, "", []))
    show_row(
        {"type": "event", **fields},
        as_json,
        f"{fields['seq']:>6}  {clock}  {fields['task']:8}  {fields['kind']}  {data}",
    )
