"""Opens a container's page on the host: a port of the loopback, a token, and a process that serves it."""

from __future__ import annotations

import json
import secrets
import socket
import sys
from dataclasses import asdict, dataclass, field

from terok_util import write_sensitive_file
from terok_util.process import PIPE, kill_tree, spawn
from terok_util.streams import send_at_once

from terok_executor.errors import ExecutorError, RequestError
from terok_executor.integrations.sandbox import ByteProcess
from terok_executor.paths import task_dir
from terok_executor.reading import load_value
from terok_executor.web.guard import Guard

PAGE_FILE = "web.json"
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Page:
    """The place of a page, and the `token` that lets people in."""

    port: int
    public_url: str
    token: str = field(repr=False)

    @property
    def url(self) -> str:
        """The address to open, with the token."""
        return f"{Guard(self.port, self.public_url).origin}/?token={self.token}"


def listen(port: int | None) -> socket.socket:
    """Return a listening socket of the loopback; RequestError for a port that is taken or invalid."""
    if port is not None and not 0 < port < 65536:
        raise RequestError(f"invalid port {port}", hint="use 1024 to 65535")
    try:
        listener = socket.create_server((HOST, port or 0), backlog=64)
    except OSError as error:
        hint = "choose another --port, or none for a free one"
        raise RequestError(f"port {port} cannot be used: {error.strerror}", hint=hint) from None
    send_at_once(listener)
    return listener


def serve_page(container: str, listener: socket.socket, public_url: str, token: str | None = None) -> ByteProcess:
    """Serve the page of a ready container until it ends; the listener is passed to the serving process.

    Returns the serving process; ExecutorError if it does not come up.
    """
    page = Page(listener.getsockname()[1], public_url, token or secrets.token_urlsafe(32))
    directory = task_dir(container)
    place = {"fd": listener.fileno(), "socket": str(directory / "home" / "web.sock"), "container": container}
    order = place | {"public_url": public_url, "token": page.token}
    log = directory / "web.log"
    with listener, log.open("wb") as errors:
        argv = [sys.executable, "-P", "-m", "terok_executor.web"]
        process = spawn(argv, stdin=PIPE, stdout=PIPE, stderr=errors, pass_fds=(listener.fileno(),), detach=True)
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin:
        process.stdin.write(json.dumps(order).encode())
    with process.stdout:
        if process.stdout.readline().strip() != b"serving":
            kill_tree(process)
            raise ExecutorError("the page cannot be served", hint=f"see {log}")
    write_sensitive_file(directory / PAGE_FILE, json.dumps(asdict(page)) + "\n")
    return process


def load_page(container: str) -> Page | None:
    """Return the page of a container, or None if it has none."""
    return load_value(Page, task_dir(container) / PAGE_FILE, hint="remove the container")
