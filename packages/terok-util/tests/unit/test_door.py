"""A door's seats, with real sockets."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
from terok_util.door import Door, Seat, streams


class Host:
    """Says what it hears; `work` keeps the seat."""

    def __init__(self) -> None:
        self.inside = self.most = 0

    async def enter(self, connection: socket.socket, seat: Seat) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            async with streams(connection) as (reader, writer):
                while line := await reader.readline():
                    if line == b"work\n":
                        seat.occupy()
                    if line == b"fail\n":
                        raise LookupError("of ours")
                    writer.write(line)
        finally:
            self.inside -= 1


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        yield listening


@contextmanager
def guests(listener: socket.socket) -> Iterator[list[socket.socket]]:
    with ExitStack() as all_of_them:
        yield [all_of_them.enter_context(socket.create_connection(listener.getsockname())) for _ in range(300)]


Says = Callable[[bytes], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]]]


@pytest.fixture
async def says(listener: socket.socket) -> AsyncIterator[Says]:
    """Connect, say a line, and return the connection and what was answered, empty if nothing was."""
    opened = []

    async def connect(line: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        opened.append(writer.transport)
        writer.write(line)
        with suppress(ConnectionError):
            return reader, writer, await asyncio.wait_for(reader.readline(), 10)
        return reader, writer, b""

    yield connect
    for transport in opened:
        transport.abort()
    await asyncio.sleep(0)


@pytest.mark.attack("ACC-1")
async def test_a_crowd_is_never_let_in_and_keeps_nobody_out(
    listener: socket.socket, says: Says, caplog: pytest.LogCaptureFixture
) -> None:
    """ACC-1: three hundred connections at once never have more than the seats there are, and one line in the log."""
    host, door = Host(), Door("test", 8)
    with guests(listener):
        door.open(listener, host.enter)
        reader, writer, answer = await says(b"work\n")
        assert answer == b"work\n", "served in the crowd"
        with guests(listener):
            *_, answer = await says(b"hello\n")
            assert answer == b"hello\n"
            writer.write(b"again\n")
            assert await asyncio.wait_for(reader.readline(), 10) == b"again\n", "who works keeps the seat"
    assert host.most <= 8 + 16, "seats and those accepted in one turn"
    assert len([one for one in caplog.records if one.levelno == logging.WARNING]) == 1
    await door.close_connections()
    assert host.inside == 0


async def test_where_all_work_a_newcomer_is_turned_away(listener: socket.socket, says: Says) -> None:
    host, door = Host(), Door("test", 2)
    door.open(listener, host.enter)
    first, second = await says(b"work\n"), await says(b"work\n")
    assert (first[2], second[2]) == (b"work\n", b"work\n")
    assert (await says(b"work\n"))[2] == b""
    first[1].close()
    await first[1].wait_closed()
    while host.inside > 1:
        await asyncio.sleep(0)
    assert (await says(b"work\n"))[2] == b"work\n"
    await door.close_connections()


async def test_one_that_fails_is_told_to_the_loop_and_ends_no_other(listener: socket.socket, says: Says) -> None:
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    host, door = Host(), Door("test", 2)
    door.open(listener, host.enter)
    assert (await says(b"fail\n"))[2] == b""
    assert (await says(b"hello\n"))[2] == b"hello\n"
    assert [str(one["exception"]) for one in told] == ["of ours"]
    await door.close_connections()


async def test_without_descriptors_it_waits_for_some(listener: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    host, door = Host(), Door("test", 8)
    client = socket.create_connection(listener.getsockname())
    client.sendall(b"hello\n")
    client.settimeout(10)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        door.open(listener, host.enter)
        while not caplog.records:
            await asyncio.sleep(0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "Too many open files" in caplog.text
    with client:
        assert await asyncio.to_thread(client.recv, 10) == b"hello\n"
    await door.close_connections()
