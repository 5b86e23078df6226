"""`terok events`: the change feed, as it is recorded or as it comes."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from terok_util import show_row

from terok.cli.task_rows import told
from terok.config import load_settings
from terok.desktop.notices import notice_of, terminal_notice
from terok.errors import UnknownTask
from terok.model.task import Event
from terok.services.events import events as feed
from terok.store import Store

if TYPE_CHECKING:
    from collections.abc import Collection


def events(follow: bool, after: int | None, as_json: bool) -> int:
    """Print events; with `follow` until interrupted, first a snapshot unless `after` says where to go on."""
    notify = load_settings().notify
    rings = follow and notify.terminal and sys.stdout.isatty()
    for happened in feed(follow=follow, after=after):
        if isinstance(happened, Event):
            _print(happened, as_json)
            if rings:
                _ring(happened, notify.states)
        else:
            row = {"type": "snapshot", **happened._asdict()}
            show_row(row, as_json, f"{len(happened.tasks)} tasks, last event {happened.seq}")
    return 0


def _print(event: Event, as_json: bool) -> None:
    clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.at))
    text = f"{event.seq:>6}  {clock}  {event.task:8}  {event.kind}  {told(event.data)}"
    show_row({"type": "event", **event._asdict()}, as_json, text)


def _ring(event: Event, states: Collection[str]) -> None:
    """Have the terminal show a notification, if the event is worth one."""
    with Store(create=False) as store, suppress(UnknownTask):
        notice = notice_of(event, store.task(event.task), states)
        if notice is not None:
            sys.stdout.write(terminal_notice(notice))
            sys.stdout.flush()
