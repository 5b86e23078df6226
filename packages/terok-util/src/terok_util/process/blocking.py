"""Running a child to its end."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO

from terok_util import redaction
from terok_util.process.errors import ProcessFailed, ProcessTimeout
from terok_util.process.kill import kill_tree
from terok_util.process.lines import LineSplitter
from terok_util.process.pipes import LINGER, ChildPipes
from terok_util.process.result import Completed
from terok_util.process.start import DEVNULL, PIPE, STDOUT, Process, spawn

MAX_OUTPUT = 16 * 1024 * 1024
"""Bytes of output, both streams together, that are kept by default."""


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    timeout: float,
    input: bytes | None = None,  # noqa: A002 - the name users of subprocess know
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    check: bool = True,
    redact: Iterable[str | bytes] = (),
    pass_fds: Sequence[int] = (),
    max_output: int = MAX_OUTPUT,
    stdin: int | IO[bytes] | None = None,
    sink: Callable[[bytes], None] | None = None,
    memory: int | None = None,
    cancel: int | None = None,
) -> Completed:
    """Run a program to its end and return what it wrote.

    The child gets a session of its own (no terminal to ask on) and no descriptor of ours but `pass_fds`. After
    `timeout` seconds, or on any exception here, it and its descendants are killed and reaped.

    Its standard input is `input`, else the file `stdin`, else nothing. With `check` a status other than 0 is an error.
    Values in `redact` are masked in the captured output and, like every registered secret, in error messages. At most
    `max_output` bytes of output, both streams together, are kept; `sink` takes standard output piece by piece instead,
    unredacted and without a limit, and its exceptions end the child and pass through. The child, and each process that
    it starts, may allocate `memory` bytes. Once the descriptor `cancel` is readable, the child is killed and
    InterruptedError raised.

    Raises ToolNotFound, ProcessTimeout, OutputTooLarge, ProcessFailed, or ProcessError if it could not be started.
    """
    child = spawn(
        argv,
        stdin=PIPE if input is not None else DEVNULL if stdin is None else stdin,
        stdout=PIPE,
        stderr=PIPE,
        env=env,
        cwd=cwd,
        pass_fds=pass_fds,
        detach=True,
        memory=memory,
    )
    return attend(
        child,
        timeout=timeout,
        input=input,
        check=check,
        redact=redact,
        max_output=max_output,
        sink=sink,
        cancel=cancel,
    )


def attend(
    child: Process,
    *,
    timeout: float,
    input: bytes | None = None,  # noqa: A002 - the same name as in run()
    check: bool = True,
    redact: Iterable[str | bytes] = (),
    max_output: int = MAX_OUTPUT,
    sink: Callable[[bytes], None] | None = None,
    cancel: int | None = None,
) -> Completed:
    """Wait for a child from `spawn`, whose streams are pipes, as `run` waits for its own."""
    pipes, secrets = ChildPipes(child, data=input, max_output=max_output, sink=sink), tuple(redact)
    try:
        if not _converse(pipes, timeout, cancel):
            raise ProcessTimeout(pipes.argv, timeout, secrets=secrets)
    except BaseException:
        kill_tree(child)
        raise
    finally:
        pipes.close()
    completed = pipes.result(secrets)
    if check and completed.returncode != 0:
        raise ProcessFailed(completed, secrets=secrets)
    return completed


def stream(
    argv: Sequence[str | os.PathLike[str]],
    on_line: Callable[[str], None],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    check: bool = True,
) -> int:
    """Run a program and hand over its merged output line by line, without line ends; return its status.

    Lines are UTF-8 with undecodable bytes escaped and registered secrets masked; they are not made safe for a
    terminal. A line longer than 64 KiB comes in pieces. Errors as for `run`; an exception of `on_line` ends the
    child and passes through.
    """
    child = spawn(argv, stdout=PIPE, stderr=STDOUT, env=env, cwd=cwd, detach=True)
    lines = LineSplitter(lambda line: on_line(redaction.redact(line)))
    completed = attend(child, timeout=timeout, check=False, sink=lines.feed)
    lines.end()
    if check and completed.returncode != 0:
        raise ProcessFailed(completed)
    return completed.returncode


def _converse(pipes: ChildPipes, timeout: float, cancel: int | None) -> bool:
    """Serve the pipes until the child has ended; False when `timeout` came first."""
    deadline = time.monotonic() + timeout
    while not pipes.done:
        rest = deadline - time.monotonic()
        if rest <= 0:
            return pipes.exited
        poller = select.poll()
        for descriptor in pipes.readers:
            poller.register(descriptor, select.POLLIN)
        for descriptor in pipes.writers:
            poller.register(descriptor, select.POLLOUT)
        if not pipes.exited:
            poller.register(pipes.ended, select.POLLIN)
        if cancel is not None:
            poller.register(cancel, select.POLLIN)
        for descriptor, _ in poller.poll(rest * 1000):
            if descriptor == cancel:
                raise InterruptedError(f"{pipes.argv[0]} was cancelled")
            if descriptor == pipes.ended:
                pipes.exited = True
                deadline = min(deadline, time.monotonic() + LINGER)
            else:
                pipes.ready(descriptor)
    return True
