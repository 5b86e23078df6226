"""The pipes of a running child: its input, its bounded output, its end. Nothing here waits."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterable

from terok_util.process.errors import OutputTooLarge, ProcessError, command_line
from terok_util.process.kill import kill_tree
from terok_util.process.result import Completed
from terok_util.redaction import redact_bytes

_CHUNK = 65536
LINGER = 0.5
"""Seconds to wait for output after the child has ended, because a descendant may still hold its pipes."""


class ChildPipes:
    """The descriptors of one child and its output so far.

    `readers` and `writers` are the pipe descriptors still open, `ended` (a pidfd) becomes readable when the child
    ends. `sink`, if given, gets the standard output instead of the buffer.
    """

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        *,
        data: bytes | None = None,
        max_output: int = 0,
        sink: Callable[[bytes], None] | None = None,
    ) -> None:
        self.child = child
        self.exited = False
        self._room = max_output
        self._limit = max_output
        self._sink = sink
        self._pending = memoryview(data or b"")
        self._out, self._err = bytearray(), bytearray()
        self._files = {stream.fileno(): stream for stream in (child.stdin, child.stdout, child.stderr) if stream}
        self.readers = {stream.fileno() for stream in (child.stdout, child.stderr) if stream}
        self.writers = {child.stdin.fileno()} if child.stdin else set()
        self._buffers = {child.stderr.fileno(): self._err} if child.stderr else {}
        for descriptor in self._files:
            os.set_blocking(descriptor, False)
        self.ended = -1
        try:
            self.ended = os.pidfd_open(child.pid)
        except OSError as error:  # no descriptors are left
            kill_tree(child, 0.0)
            self.close()
            raise ProcessError(f"cannot follow a child process: {error.strerror}") from error

    def ready(self, descriptor: int) -> None:
        """Read or write one of the pipes once; OutputTooLarge beyond the limit."""
        if descriptor in self.readers:
            self._take(descriptor)
        elif descriptor in self.writers:
            self._give(descriptor)

    def _take(self, descriptor: int) -> None:
        try:
            chunk = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return
        if not chunk:
            self._drop(descriptor)
            return
        if self._sink is not None and descriptor not in self._buffers:
            self._sink(chunk)
            return
        self._room -= len(chunk)
        if self._room < 0:
            raise OutputTooLarge(f"more than {self._limit} bytes of output from {command_line(self.argv[:1])}")
        self._buffers.get(descriptor, self._out).extend(chunk)

    def _give(self, descriptor: int) -> None:
        try:
            self._pending = self._pending[os.write(descriptor, self._pending[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # the child has closed its end
            self._pending = self._pending[:0]
        if not self._pending:
            self._drop(descriptor)

    @property
    def argv(self) -> tuple[str, ...]:
        """The command the child was started with."""
        args = self.child.args
        return tuple(os.fsdecode(part) for part in args) if isinstance(args, list | tuple) else (str(args),)

    @property
    def done(self) -> bool:
        """Whether the child has ended and its output is complete."""
        return self.exited and not self.readers

    def result(self, secrets: Iterable[str | bytes]) -> Completed:
        """Reap the child and return its status and output, with `secrets` masked."""
        status = self.child.wait()
        out, err = redact_bytes(bytes(self._out), secrets), redact_bytes(bytes(self._err), secrets)
        return Completed(self.argv, status, out, err)

    def close(self) -> None:
        """Close all descriptors."""
        for descriptor in [*self._files]:
            self._drop(descriptor)
        if self.ended >= 0:
            os.close(self.ended)
            self.ended = -1

    def _drop(self, descriptor: int) -> None:
        self.readers.discard(descriptor)
        self.writers.discard(descriptor)
        with contextlib.suppress(OSError):
            self._files.pop(descriptor).close()
