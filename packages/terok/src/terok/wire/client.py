"""Asking the controller, following its events, and starting it when it is not there."""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final

from terok_util import TerokError, ensure_dir, last_line, read_tail, safe_text

from terok.errors import ControllerError
from terok.paths import controller_log, controller_socket
from terok.wire.environment import controller_environment
from terok.wire.protocol import MAX_REPLY, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

ANSWER: Final = 5.0
"""Seconds the controller may take for an answer."""
START: Final = 20.0
"""Seconds it may take to start on a busy machine."""
MAX_LOG: Final = 1024 * 1024
"""Bytes of the controller's log at which the next one begins anew."""


def ask(kind: str, /, **fields: Any) -> dict[str, Any]:
    """Return the fields of the controller's answer; it is not started for that.

    Raises:
        ControllerError: It does not run, does not answer in time, or refuses.
    """
    with _connected() as channel, channel.makefile("rb") as lines:
        return _asked(channel, lines, kind, fields)


def subscribe(after: int | None = None, *, start: bool = True) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what happens: first `snapshot` (tasks, seq), unless `after` is the last event known, then each `event`.

    A snapshot comes also when the events behind `after` are no longer kept.
    The controller is started if need be. The iteration ends when it ends; go on with the number of the last event.
    Raises ControllerError.
    """
    if start:
        ensure_controller()
    with _connected() as channel, channel.makefile("rb") as lines:
        fields = _asked(channel, lines, "subscribe", {"after": after})
        if "tasks" in fields:
            yield "snapshot", fields
        channel.settimeout(None)
        with suppress(ConnectionError):  # it was killed
            while line := lines.readline(MAX_REPLY):
                yield decode(line)


def poke() -> None:
    """Tell the controller that something changed, and start it if it is not there. Never raises, never waits for it."""
    with suppress(TerokError, OSError):
        try:
            with _connected() as channel:
                channel.sendall(encode("poke"))
        except ControllerError:
            start_controller()


def ensure_controller() -> None:
    """Start the controller unless it runs, and wait until it answers; ControllerError if it does not."""
    deadline = time.monotonic() + START
    started = False
    while True:
        try:
            ask("ping")
        except ControllerError as error:
            if not started:
                start_controller()
                started = True
            elif time.monotonic() > deadline:
                said = last_line(read_tail(controller_log(), 2000), limit=300)
                raise ControllerError(f"the controller does not start: {said}", hint="run `terok sickbay`") from error
            time.sleep(0.02)
        else:
            return


def start_controller() -> None:
    """Start a controller that outlives this process; it ends at once if another one runs."""
    from terok_util.process import spawn

    log = controller_log()
    ensure_dir(log.parent)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    if log.exists() and log.stat().st_size > MAX_LOG:
        flags |= os.O_TRUNC
    with open(os.open(log, flags, 0o600), "ab") as output:  # noqa: PTH123 - a descriptor
        argv = [sys.executable, "-P", "-m", "terok.controller"]
        process = spawn(
            argv, stdout=output, stderr=output, env=controller_environment(os.environ), cwd="/", detach=True
        )
    process.returncode = 0  # it outlives us: nobody waits for it


def _connected() -> closing[socket.socket]:
    path = controller_socket()
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        channel.settimeout(ANSWER)
        directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # However long the path is, this address is short enough.
            channel.connect(f"/proc/self/fd/{directory}/{path.name}")
        finally:
            os.close(directory)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        channel.close()
        raise ControllerError("the controller does not run", hint="`terok controller start` starts it") from error
    except OSError as error:
        channel.close()
        raise ControllerError(f"the controller cannot be reached: {error.strerror or error}") from error
    return closing(channel)


def _asked(channel: socket.socket, lines: BinaryIO, kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    try:
        channel.sendall(encode(kind, **fields))
        line = lines.readline(MAX_REPLY)
    except TimeoutError as error:
        raise ControllerError(
            f"the controller has not answered for {ANSWER:g} s", hint="run `terok sickbay`"
        ) from error
    except OSError as error:
        raise ControllerError(f"the controller has hung up: {error.strerror}") from error
    if not line:
        raise ControllerError("the controller has hung up", hint="try again")
    answer, said = decode(line)
    if answer != "ok":
        raise ControllerError(safe_text(str(said.get("message", "refused")), limit=500))
    return said
