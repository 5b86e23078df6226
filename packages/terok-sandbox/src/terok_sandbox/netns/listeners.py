"""The sockets a supervisor serves inside its container's network namespace."""

from __future__ import annotations

import errno
import socket
import time
from dataclasses import dataclass
from typing import Final, Literal

from terok_util.streams import send_at_once

from terok_sandbox.errors import NetnsError
from terok_sandbox.vault_addr import (
    LOOPBACK_DNS_PORT,
    LOOPBACK_EGRESS_PORT,
    LOOPBACK_GATE_PORT,
    LOOPBACK_HOST,
    LOOPBACK_VAULT_PORT,
    LOOPBACK_VAULT_TLS_PORT,
)

BACKLOG: Final = 512  # connections made while a worker is being restarted wait here
_TAKEN_RETRY: Final = 0.02


@dataclass(frozen=True, slots=True)
class ListenerSpec:
    """One listener on the namespace's loopback, by the name its worker knows it under."""

    name: str
    port: int
    kind: Literal["tcp", "udp"] = "tcp"


DNS_LISTENERS: Final = (ListenerSpec("dns-udp", LOOPBACK_DNS_PORT, "udp"), ListenerSpec("dns-tcp", LOOPBACK_DNS_PORT))
GATE_LISTENER: Final = ListenerSpec("gate", LOOPBACK_GATE_PORT)
EGRESS_LISTENER: Final = ListenerSpec("egress", LOOPBACK_EGRESS_PORT)
VAULT_LISTENERS: Final = (
    ListenerSpec("vault", LOOPBACK_VAULT_PORT),
    ListenerSpec("vault-tls", LOOPBACK_VAULT_TLS_PORT),
)


def loopback_listener(port: int) -> ListenerSpec:
    """Return the listener behind which the gateway passes connections on to `port` of the host's loopback."""
    return ListenerSpec(f"loopback-{port}", port)


def bind_listener(spec: ListenerSpec, *, deadline: float) -> socket.socket:
    """Bind `spec` on 127.0.0.1 of the current namespace, non-blocking.

    A port that is taken is tried again until `deadline` (`time.monotonic`): the workers of a supervisor that died may
    still be going. Raises `NetnsError`.
    """
    kind = socket.SOCK_DGRAM if spec.kind == "udp" else socket.SOCK_STREAM
    listener = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if spec.kind == "tcp":  # on UDP it would let a second socket share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            send_at_once(listener)
        _bind(listener, spec, deadline)
        if spec.kind == "tcp":
            listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise NetnsError(f"cannot listen on {LOOPBACK_HOST}:{spec.port}/{spec.kind}: {error.strerror}") from error
    return listener


def _bind(listener: socket.socket, spec: ListenerSpec, deadline: float) -> None:
    while True:
        try:
            return listener.bind((LOOPBACK_HOST, spec.port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() + _TAKEN_RETRY > deadline:
                raise
            time.sleep(_TAKEN_RETRY)
