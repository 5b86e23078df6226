"""A container that is not known when the editor starts: a command finds it, or makes it, meanwhile."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Final

from terok_util import last_line
from terok_util.process import Process, spawn

from terok_acp.connect.starting import Starting
from terok_acp.endpoint import connected
from terok_acp.errors import EndpointError
from terok_acp.paths import socket_path

_TAIL: Final = 4000


class Finding:
    """Runs a command that prints a JSON object with the name of a running `container`, and then that one's daemon."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: Process | None = None
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - as long as this object
        self._complaint: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._starting: Starting | None = None
        self._container = ""

    def reach(self) -> socket.socket:
        """Connect to the container's daemon; EndpointError while there is none."""
        if not self._container:
            raise EndpointError("it is not known yet which container it is")
        return connected(socket_path(self._container))

    def start(self) -> None:
        """Begin to find the container, also one that ran before and may have to be started again."""
        for file in (self._said, self._complaint):
            file.seek(0)
            file.truncate()
        self._starting = None
        self._process = spawn(self._command, stdout=self._said, stderr=self._complaint, env=dict(os.environ))

    def problem(self) -> str | None:
        """Return why there will be no daemon, None while there may be one."""
        if self._starting is not None:
            return self._starting.problem()
        if self._process is None or self._process.poll() is None:
            return None
        if self._process.returncode == 0:
            with suppress(ValueError, KeyError, TypeError):
                self._container = json.loads(_all(self._said))["container"]
                self._starting = Starting(self._container, socket_path(self._container))
                self._starting.start()
                return None
        words = _all(self._complaint).decode("utf-8", "replace").strip()
        sys.stderr.write(f"{last_line(words, limit=300)}\n")
        return last_line(words, limit=300) or "the container could not be found"


def _all(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()[-_TAIL:]
