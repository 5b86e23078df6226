"""The terminal, read without looking at it ten times a second: a program in which nothing happens does not wake."""

from __future__ import annotations

import os
import select
from codecs import getincrementaldecoder
from typing import Final

from textual import constants
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

_CHUNK: Final = 4096
_SLACK: Final = 0.01


class QuietDriver(LinuxDriver):
    """Textual's driver, except that its thread waits for input, and after it only until an Esc is known to be one."""

    _ends: tuple[int, int] | None = None

    def start_application_mode(self) -> None:
        """Take the terminal, and have it remember the title of its window."""
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self.write("\x1b[22;2t")

    def stop_application_mode(self) -> None:
        """Give the terminal back with the title that it had."""
        self.write("\x1b[23;2t")
        super().stop_application_mode()

    def disable_input(self) -> None:
        """Stop reading; wakes the thread that does."""
        if self._ends is not None:
            os.write(self._ends[1], b"\0")
        super().disable_input()

    def run_input_thread(self) -> None:
        """Wait for input and dispatch events."""
        self._ends = woken, wake = os.pipe2(os.O_CLOEXEC)
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        poll = select.poll()
        for descriptor in (self.fileno, woken):
            poll.register(descriptor, select.POLLIN)
        pending = False
        try:
            while not self.exit_event.is_set():
                ready = {
                    descriptor
                    for descriptor, _ in poll.poll((constants.ESCAPE_DELAY + _SLACK) * 1000 if pending else None)
                }
                pending = self.fileno in ready
                if pending:
                    data = os.read(self.fileno, _CHUNK)
                    if not data:
                        break  # the terminal is gone
                    for event in parser.feed(decode(data)):
                        self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)
        finally:
            self._ends = None
            for descriptor in (woken, wake):
                os.close(descriptor)
            try:
                for _ in parser.feed(""):
                    pass
            except (EOFError, ParseError):
                pass
