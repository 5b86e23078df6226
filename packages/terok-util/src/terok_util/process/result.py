"""The result of a finished child process."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Completed:
    """A finished child. `returncode` is negative (minus the signal number) when a signal ended it."""

    argv: tuple[str, ...] = field(repr=False)
    returncode: int
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """Standard output as UTF-8; undecodable bytes become U+FFFD."""
        return self.stdout.decode("utf-8", "replace")

    @property
    def err_text(self) -> str:
        """Standard error as UTF-8; undecodable bytes become U+FFFD."""
        return self.stderr.decode("utf-8", "replace")
