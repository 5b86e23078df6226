"""Running a child to its end and waiting for it."""

from __future__ import annotations

import select
import time
from typing import IO, TYPE_CHECKING

from terok_util import redaction
from terok_util.process.errors import ProcessFailed, ProcessTimeout
from terok_util.process.exchange import LINGER, Exchange
from terok_util.process.kill import kill_tree
from terok_util.process.lines import LineSplitter
from terok_util.process.result import Completed
from terok_util.process.start import DEVNULL, PIPE, STDOUT, spawn

if TYPE_CHECKING:
    import os
    import subprocess
    from collections.abc import Callable, Iterable, Mapping, Sequence

MAX_OUTPUT = 16 * 1024 * 1024
"""Bytes of output (both streams together) kept from one child unless the caller says otherwise."""


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
) -> Completed:
    """Run a program to its end and return what it wrote.

    The child gets a session of its own (no terminal to ask on), no descriptor of ours but `pass_fds`, and as input
    `input`, else the file `stdin`, else nothing. After `timeout` seconds, or on any exception here, it and its
    descendants are killed and reaped. `sink` takes standard output piece by piece, unredacted and without a limit,
    instead of having it returned; an exception of it ends the child and passes through. The child, and each process
    that it starts, may allocate `memory` bytes. The values in `redact` are
    masked in the captured output and, like every registered secret, in error messages.

    Raises ToolNotFound, ProcessTimeout, OutputTooLarge, with `check` ProcessFailed for a status other than 0, and
    ProcessError for whatever else keeps the program from starting.
    """
    child = spawn(
        argv,
        stdin=input_end(input, stdin),
        stdout=PIPE,
        stderr=PIPE,
        env=env,
        cwd=cwd,
        pass_fds=pass_fds,
        detach=True,
        memory=memory,
    )
    return attend(child, timeout=timeout, input=input, check=check, redact=redact, max_output=max_output, sink=sink)


def attend(
    child: subprocess.Popen[bytes],
    *,
    timeout: float,
    input: bytes | None = None,  # noqa: A002 - the same name as in run()
    check: bool = True,
    redact: Iterable[str | bytes] = (),
    max_output: int = MAX_OUTPUT,
    sink: Callable[[bytes], None] | None = None,
) -> Completed:
    """Wait for a child from `spawn`, whose streams are pipes, as `run` waits for its own."""
    secrets = tuple(redact)
    exchange = _attend(timeout, secrets, Exchange.begin(child, data=input, max_output=max_output, sink=sink))
    return finish(exchange, secrets, check=check)


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
    exchange = _attend(timeout, (), Exchange.begin(child, sink=lines.feed))
    lines.end()
    completed = finish(exchange, (), check=check)
    return completed.returncode


def input_end(data: bytes | None, stdin: int | IO[bytes] | None) -> int | IO[bytes]:
    """Return what the child's standard input is: our pipe, the caller's file, or nothing."""
    if data is not None:
        return PIPE
    return DEVNULL if stdin is None else stdin


def finish(exchange: Exchange, secrets: Sequence[str | bytes], *, check: bool) -> Completed:
    """Reap the child; with `check` a status other than 0 is ProcessFailed."""
    completed = exchange.result(secrets)
    if check and completed.returncode != 0:
        raise ProcessFailed(completed, secrets=secrets)
    return completed


def _attend(timeout: float, secrets: Sequence[str | bytes], exchange: Exchange) -> Exchange:
    """Serve the exchange to its end; on any exception the child is killed and reaped."""
    try:
        if not _converse(exchange, timeout):
            raise ProcessTimeout(exchange.argv, timeout, secrets=secrets)
    except BaseException:
        kill_tree(exchange.child)
        raise
    finally:
        exchange.close()
    return exchange


def _converse(exchange: Exchange, timeout: float) -> bool:
    """Serve the exchange until the child has ended; False when `timeout` came first."""
    deadline = time.monotonic() + timeout
    while not exchange.done:
        rest = deadline - time.monotonic()
        if rest <= 0:
            return exchange.exited
        poller = select.poll()
        for descriptor in exchange.readers:
            poller.register(descriptor, select.POLLIN)
        for descriptor in exchange.writers:
            poller.register(descriptor, select.POLLOUT)
        if not exchange.exited:
            poller.register(exchange.ended, select.POLLIN)
        for descriptor, _ in poller.poll(rest * 1000):
            if descriptor == exchange.ended:
                exchange.exited = True
                deadline = min(deadline, time.monotonic() + LINGER)
            else:
                exchange.ready(descriptor)
    return True
