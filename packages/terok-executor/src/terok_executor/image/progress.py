"""Build progress on a terminal: one line that says which step runs and how long the build has taken."""

from __future__ import annotations

import shutil
import time
from types import TracebackType
from typing import Self, TextIO


class StepLine:
    """Shows the newest line in place of the one before; headlines and errors stay."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._started = time.monotonic()

    def __call__(self, line: str) -> None:
        """Take one line of progress."""
        elapsed = int(time.monotonic() - self._started)
        text = f"   {elapsed // 60:d}:{elapsed % 60:02d}  {line}"
        width = shutil.get_terminal_size().columns - 1
        lasting = line.startswith("building ") or "error" in line.lower()
        self._stream.write(f"\r\033[K{text[:width]}" + ("\n" if lasting else ""))
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stream.write("\r\033[K")
        self._stream.flush()
