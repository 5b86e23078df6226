"""Progress of long work: on a terminal one line that changes, elsewhere only what a person has to know."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from terok_util.text import safe_text

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self, TextIO

NOTE = "note: "
"""A line that begins so is not progress: something went wrong that does not end the work."""
_USUAL = 80


class Progress:
    """Shows the newest step in place of the one before, with the time since the beginning.

    Headlines (`building …`) and errors stay. Away from a terminal only notes are printed, unless `plain`
    asks for every line. It is a context manager, which clears the last step away.
    """

    def __init__(self, stream: TextIO | None = None, *, plain: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._plain = plain
        self._started = time.monotonic()
        self._open = False

    def __call__(self, line: str) -> None:
        """Show one step."""
        line = safe_text(line)
        note = line.startswith(NOTE)
        if not self._stream.isatty():
            if note or self._plain:
                self._write(f"   {line}\n")
            return
        elapsed = int(time.monotonic() - self._started)
        lasting = note or line.startswith("building ") or "error" in line.lower()
        text = f"   {elapsed // 60:d}:{elapsed % 60:02d}  {line}"
        self._open = not lasting
        self._write(f"\r\033[K{text}\n" if note else f"\r\033[K{text[: self._width() - 1]}" + "\n" * lasting)

    def clear(self) -> None:
        """Take the last step away, before something else is printed."""
        if self._open:
            self._open = False
            self._write("\r\033[K")

    def _width(self) -> int:
        import shutil  # only a terminal has a width

        return shutil.get_terminal_size((_USUAL, 24)).columns

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.clear()
