"""The errors of child processes.

ProcessError            it could not be started or followed
├── ToolNotFound        there is no such program (exit 127)
├── ProcessTimeout      it ran too long and was killed (exit 124)
├── OutputTooLarge      it wrote more than the caller would keep and was killed
└── ProcessFailed       it ended with a status other than 0 (`.completed` has its output)
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Sequence
from typing import ClassVar

from terok_util.errors import TerokError
from terok_util.process.result import Completed
from terok_util.redaction import redact
from terok_util.text import safe_text

_COMMAND_LIMIT = 200
_EXCERPT_LIMIT = 600


class ProcessError(TerokError):
    """A child process could not be started, or communication with it failed."""


class ToolNotFound(ProcessError):
    """The program is not on this host."""

    exit_code: ClassVar[int] = 127


class OutputTooLarge(ProcessError):
    """The child wrote more than `max_output` bytes; it was killed and its output discarded."""


class ProcessTimeout(ProcessError):
    """The child did not finish in time; it and its descendants were killed.

    `program` is its argv[0], `timeout` the limit in seconds.
    """

    exit_code: ClassVar[int] = 124

    def __init__(self, argv: Sequence[str], timeout: float, *, secrets: Iterable[str | bytes] = ()) -> None:
        self.program = argv[0]
        self.timeout = timeout
        super().__init__(f"{safe_text(argv[0])} did not finish within {timeout:g} s: {command_line(argv, secrets)}")


class ProcessFailed(ProcessError):
    """The child ended with a status other than 0. `completed` has its output, unredacted."""

    def __init__(self, completed: Completed, *, secrets: Iterable[str | bytes] = ()) -> None:
        self.completed = completed
        ended = describe_status(completed.returncode)
        parts = [f"{safe_text(completed.argv[0])} {ended}: {command_line(completed.argv, secrets)}"]
        output = (completed.err_text.strip() or completed.text.strip())[-_EXCERPT_LIMIT * 4 :]
        if output:
            parts.append(safe_text(redact(output, secrets)[-_EXCERPT_LIMIT:], multiline=True))
        super().__init__("\n".join(parts))


def command_line(argv: Sequence[str], secrets: Iterable[str | bytes] = ()) -> str:
    """Return `argv` as one redacted, printable, bounded shell line."""
    import shlex  # an error is rarer than a process

    return safe_text(redact(shlex.join(argv), secrets), limit=_COMMAND_LIMIT)


def describe_status(returncode: int) -> str:
    """Return "exited with status 3" or "was killed by SIGTERM"."""
    if returncode >= 0:
        return f"exited with status {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"
