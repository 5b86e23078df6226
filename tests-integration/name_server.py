"""A name server that knows every name, for containers to ask."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import dns.rrset
from support import Shell

ADDRESS = "198.51.100.77"
"""Of the laboratory network, which answers HTTP there."""


@contextmanager
def every_name_known(sh: Shell) -> Iterator[list[str]]:
    """Make a name server that knows every name the upstream of containers; yield what it is asked."""
    asked: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        config = Path(sh.environment["TEROK_ROOT"]) / "config/config.yml"
        before = config.read_bytes() if config.exists() else None
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(f'shield:\n  resolvers: ["127.0.0.1:{port}"]\n')
        thread = threading.Thread(target=_answer, args=(server, asked), daemon=True)
        thread.start()
        yield asked
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stopper:
            stopper.sendto(b"", ("127.0.0.1", port))
        thread.join(5)
        config.unlink() if before is None else config.write_bytes(before)


def _answer(server: socket.socket, asked: list[str]) -> None:
    while True:
        wire, peer = server.recvfrom(4096)
        if not wire:
            return
        query = dns.message.from_wire(wire)
        reply = dns.message.make_response(query)
        question = query.question[0]
        asked.append(question.name.to_text(omit_final_dot=True))
        if question.rdtype == 1:
            reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", ADDRESS))
        server.sendto(reply.to_wire(), peer)
