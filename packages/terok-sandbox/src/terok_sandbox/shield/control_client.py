"""One question to a running container's shield, over its control socket."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any, Final

from terok_sandbox import unix_sockets
from terok_sandbox.errors import ShieldError
from terok_sandbox.shield.control import DIRECTORY, MAX_LINE, SOCKET
from terok_sandbox.shield.errors import NoAnswer, NotKept, PolicyError, ShieldNotRunning

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT: Final = 10.0
_MAX_ANSWER: Final = 16 * 1024 * 1024


def ask(runtime_dir: Path, verb: str, *, timeout: float = TIMEOUT, **fields: Any) -> dict[str, Any]:
    """Send one request and return the answer's fields.

    Raises `NoAnswer` without one, and `ShieldError` for a refusal.
    """
    line = json.dumps({"verb": verb, **fields}).encode() + b"\n"
    if len(line) > MAX_LINE:
        raise PolicyError("the request is too long")
    try:
        answer = _exchange(runtime_dir, line, timeout)
    except (FileNotFoundError, ConnectionError) as error:
        raise ShieldNotRunning(
            f"{runtime_dir.name}: the container's shield does not run", hint="see `terok-sandbox list`"
        ) from error
    except (OSError, ValueError) as error:
        raise NoAnswer(
            f"{runtime_dir.name}: the shield gave no answer: {error}", hint="see `terok-sandbox doctor`"
        ) from error
    if answer.pop("ok", None) is not True:
        kind = PolicyError if answer.get("usage") else NotKept if answer.get("unkept") else ShieldError
        raise kind(str(answer.get("error", "the shield refused")), hint=answer.get("hint"))
    return answer


def _exchange(runtime_dir: Path, line: bytes, timeout: float) -> dict[str, Any]:
    with unix_sockets.connect(runtime_dir / DIRECTORY / SOCKET, kind=socket.SOCK_STREAM, timeout=timeout) as one:
        if unix_sockets.peer_uid(one) != os.geteuid():
            raise ValueError("the socket belongs to someone else")
        one.sendall(line)
        with one.makefile("rb") as reader:
            data = reader.readline(_MAX_ANSWER)
    answer = json.loads(data)
    if not isinstance(answer, dict):
        raise ValueError("not an answer")
    return answer
