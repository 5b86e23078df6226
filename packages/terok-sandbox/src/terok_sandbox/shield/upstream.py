"""Asks the host's own resolvers: fresh socket, source port and id for every question, TCP where UDP is truncated."""

from __future__ import annotations

import asyncio
import secrets
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

from terok_sandbox.shield.dns_wire import Answer, BadAnswerError, TruncatedError, read_answer, write_upstream_query
from terok_sandbox.shield.errors import SpellingError
from terok_sandbox.shield.policy.addresses import parse_address
from terok_sandbox.values.servers import Server

RESOLV_CONF: Final = Path("/etc/resolv.conf")
TIMEOUT: Final = 10.0
"""Seconds for a question, however many servers are asked. Who asks the same meanwhile waits for the same answer."""
_TRY: Final = 1.5  # seconds that one server has before the next one is asked too
_STREAM: Final = 4.0
_WITHOUT_EDNS: Final = ("FORMERR", "NOTIMP", "BADVERS")  # errors of servers that are too old for EDNS
_MAX_SERVERS: Final = 3
_MAX_STRAYS: Final = 16
_RECHECK: Final = 5.0


class UpstreamError(Exception):
    """No upstream gave a usable answer in time."""


def parse_resolv_conf(text: str) -> tuple[Server, ...]:
    """Return the first three name servers of a resolv.conf; IPv6 zones (`fe80::1%eth0`) are kept."""
    servers = []
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        with suppress(SpellingError):
            parse_address(words[1].partition("%")[0])
            servers.append((words[1], 53))
    return tuple(servers[:_MAX_SERVERS])


class UpstreamResolver:
    """The host's resolvers as its resolv.conf names them; a change of the file is noticed within seconds."""

    def __init__(self, path: Path = RESOLV_CONF, *, servers: tuple[Server, ...] = ()) -> None:
        self._path = path
        self._fixed = servers
        self._servers = servers
        self._stamp: object = None
        self._checked = float("-inf")

    async def query(self, name: str, rdtype: int) -> Answer:
        """Return the first usable answer; a slow server is followed by the next, but heard. Raises `UpstreamError`."""
        servers = self._current()
        problem = "no answer in time" if servers else "the host has no name server"
        left = [(server, True) for server in servers] + [(server, False) for server in servers[:1]]
        asked: set[asyncio.Task[Answer]] = set()
        try:
            async with asyncio.timeout(TIMEOUT):
                while left or asked:
                    if left:
                        server, edns = left.pop(0)
                        asked.add(asyncio.create_task(_ask(server, name, rdtype, edns=edns)))
                    patience = _TRY if left else None
                    done, asked = await asyncio.wait(asked, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                    for outcome in await asyncio.gather(*done, return_exceptions=True):
                        if not isinstance(outcome, BaseException):
                            return outcome
                        if not isinstance(outcome, OSError | EOFError | BadAnswerError):
                            raise outcome
                        problem = f"{servers[0][0]}: {str(outcome) or type(outcome).__name__}"
        except TimeoutError:
            pass
        finally:
            for task in asked:
                task.cancel()
        raise UpstreamError(problem)

    def _current(self) -> tuple[Server, ...]:
        now = asyncio.get_running_loop().time()
        if self._fixed or now - self._checked < _RECHECK:
            return self._servers
        self._checked = now
        with suppress(OSError, UnicodeDecodeError):
            info = self._path.stat()
            stamp = (info.st_ino, info.st_mtime_ns, info.st_size)
            if stamp != self._stamp:
                self._servers = parse_resolv_conf(self._path.read_text())
                self._stamp = stamp
        return self._servers


async def _ask(server: Server, name: str, rdtype: int, *, edns: bool) -> Answer:
    try:
        return await _ask_once(server, name, rdtype, edns=edns)
    except BadAnswerError as error:
        if not edns or str(error) not in _WITHOUT_EDNS:
            raise
        return await _ask_once(server, name, rdtype, edns=False)


async def _ask_once(server: Server, name: str, rdtype: int, *, edns: bool) -> Answer:
    # With a new socket and port for each question an answer cannot be guessed from outside.
    identity = secrets.randbelow(65536)
    wire = write_upstream_query(name, rdtype, identity, edns=edns)
    try:
        return await _ask_datagram(server, wire, name, rdtype, identity)
    except TruncatedError as error:
        part = error.part
    try:
        async with asyncio.timeout(_STREAM):
            return read_answer(await _ask_stream(server, wire), name, rdtype, identity)
    except (OSError, EOFError, BadAnswerError):  # a time-out is an OSError
        if not part.addresses:
            raise
        return part


async def _ask_datagram(server: Server, wire: bytes, name: str, rdtype: int, identity: int) -> Answer:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
        await loop.sock_connect(channel, server)
        await loop.sock_sendall(channel, wire)
        for _ in range(_MAX_STRAYS):
            try:
                return read_answer(await loop.sock_recv(channel, 65535), name, rdtype, identity)
            except BadAnswerError as error:
                if not error.mismatch:
                    raise
    raise BadAnswerError("answers to other questions only")


async def _ask_stream(server: Server, wire: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(len(wire).to_bytes(2, "big") + wire)
        return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
    finally:
        writer.close()
