"""Textual's side of a page: lines of its screen go out of a socket, keys and the mouse come in."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final

from textual import events
from textual.app import App
from textual.driver import Driver
from textual.geometry import Size
from textual.messages import ExitApp

from terok.tui.web.page_events import Seen, said_by
from terok.tui.web.picture import Picture

PATIENCE: Final = 10.0
"""Seconds in which a page says its size."""
LONGEST: Final = 256 * 1024
"""Characters of the longest line that is read."""
_USUAL: Final = Size(80, 24)


class Channel:
    """The socket to the server, with one line of JSON for each thing that is said."""

    def __init__(self, descriptor: int) -> None:
        self.socket = socket.socket(fileno=descriptor)
        self._file = self.socket.makefile("rb")

    def read(self) -> bytes:
        """Return the next line; nothing at the end."""
        with suppress(OSError):
            return self._file.readline(LONGEST)
        return b""

    def say(self, *values: Any) -> None:
        """Say something; nobody hears it when the server is gone."""
        with suppress(OSError):
            self.socket.sendall(json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")

    def first_size(self) -> Size:
        """Return the size of the page, which is the first that it says; the usual one if it says nothing."""
        self.say("new")
        self.socket.settimeout(PATIENCE)
        try:
            while line := self.read():
                for one in said_by(line):
                    if isinstance(one, Seen):
                        return one.size
            return _USUAL
        finally:
            self.socket.settimeout(None)


class PageDriver(Driver):
    """A driver for a page. Nothing in it wakes while nothing happens."""

    def __init__(self, app: App[Any], *, channel: Channel, page: Size, **_: Any) -> None:
        super().__init__(app, size=(page.width, page.height))
        self._channel = channel
        self._picture = Picture(page.width, page.height)
        self._written: SimpleQueue[str | Seen | None] = SimpleQueue()
        self._writer = threading.Thread(target=self._writing, name="page-out", daemon=True)
        self._reader = threading.Thread(target=self._reading, name="page-in", daemon=True)

    @property
    def is_web(self) -> bool:
        """Say that there is no terminal."""
        return True

    def write(self, data: str) -> None:
        """Take what Textual writes; a thread makes a picture of it."""
        self._written.put(data)

    def start_application_mode(self) -> None:
        """Start the threads."""
        self._writer.start()
        self._reader.start()

    def disable_input(self) -> None:
        """Read on: what comes now is for nobody."""

    def stop_application_mode(self) -> None:
        """Have what was written said, and stop."""
        self._written.put(None)
        self._writer.join(PATIENCE)

    def _reading(self) -> None:
        while line := self._channel.read():
            for one in said_by(line):
                if isinstance(one, Seen):
                    self._seen(one)
                else:
                    self.process_message(one)
        self.send_message(ExitApp())

    def _seen(self, seen: Seen) -> None:
        if seen.size != self._size:
            self._size = (seen.size.width, seen.size.height)
            self._written.put(seen)
            self.process_message(events.Resize(seen.size, seen.size))
        elif seen.new:
            self._written.put(seen)

    def _writing(self) -> None:
        while True:
            taken = [self._written.get()]
            while not self._written.empty():
                taken.append(self._written.get())
            for one in taken:
                if isinstance(one, str):
                    self._picture.write(one)
                elif one is not None and (one.size.width, one.size.height) != self._picture.size:
                    self._picture.resize(one.size.width, one.size.height)
                elif one is not None:
                    self._picture.again()
            self._say()
            if None in taken:
                return

    def _say(self) -> None:
        picture = self._picture
        if picture.title is not None:
            self._channel.say("title", picture.title)
        if picture.copied is not None:
            self._channel.say("copied", picture.copied)
        picture.title = picture.copied = None
        if changes := picture.changes():
            self._channel.say("lines", changes)
