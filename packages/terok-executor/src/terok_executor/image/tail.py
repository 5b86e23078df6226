"""The output of a build: its last lines for an error message, and the lines that somebody follows."""

from __future__ import annotations

import re
from collections import deque

from terok_util import safe_text

from terok_executor.errors import BuildError
from terok_executor.image.podman import OnLine

_LINES = 8
_WIDTH = 300
_STEP_WIDTH = 100
_NOISE = re.compile(r"(?:\[\d+/\d+\] )?(?:--> |COMMIT |Successfully tagged )|[0-9a-f]{64}$")
_STEP = re.compile(r"(?:\[\d+/\d+\] )?STEP \d+/\d+: ")
_REPEATED = ("Error: building at STEP", "Error: while running runtime", "E: apt-get update", "E: mmdebstrap failed")
"""Beginnings of lines with which Podman and mmdebstrap only repeat that a step failed."""
_DISK_FULL = ("no space left on device", "disk quota exceeded")


class LineTail:
    """Hands lines on and remembers the last few."""

    def __init__(self, on_line: OnLine) -> None:
        self._on_line = on_line
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._disk_full = False

    def __call__(self, line: str) -> None:
        """Hand one line on and remember it."""
        text = safe_text(line, limit=_WIDTH).rstrip()
        if not text:
            return
        self._disk_full = self._disk_full or any(word in line.lower() for word in _DISK_FULL)
        self._lines.append(text)
        shown = progress_line(text)
        if shown is not None:
            self._on_line(shown)

    def failure(self, problem: str, *, hint: str) -> BuildError:
        """Return the error for an output that ended badly, with the reason where it is a known one."""
        if self._disk_full:
            hint = "free space, for example with `podman image prune`, and build again"
            return BuildError(f"{problem}: the disk is full", hint=hint)
        return BuildError(f"{problem}: {self.last()}", hint=hint)

    def last(self) -> str:
        """Return the line most likely to say why: the last one that names an error, else the last."""
        lines = list(self._lines)
        named = [line for line in lines if line.lower().startswith(("error", "e: ", "npm error", "fatal"))]
        causes = [line for line in named if not line.startswith(_REPEATED)]
        return next(reversed(causes or named or lines), "no output")

    def text(self) -> str:
        """Return the remembered lines."""
        return "\n".join(self._lines)


def progress_line(text: str) -> str | None:
    """Return one line of Podman's output as a person following a build wants to see it; None if not at all."""
    if _NOISE.match(text):
        return None
    if _STEP.match(text):
        plain = re.sub(r"set -eu; |export DEBIAN_FRONTEND=noninteractive; ", "", re.sub(r"\s+", " ", text))
        return plain if len(plain) <= _STEP_WIDTH else plain[: _STEP_WIDTH - 1] + "…"
    return text
