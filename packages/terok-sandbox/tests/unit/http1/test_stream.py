"""How much is read at a time: more for streams that are alone, little for each of many."""

from __future__ import annotations

import asyncio
import socket

import pytest
from terok_sandbox.http1.stream import LARGEST_READ, READS_TOGETHER, SMALLEST_READ, Deadlines, Stream


async def test_a_lone_stream_reads_in_large_pieces_and_many_in_small_ones() -> None:
    loop, deadlines, ends = asyncio.get_running_loop(), Deadlines(), asyncio.Queue[Stream]()

    def accept() -> Stream:
        stream = Stream(deadlines)
        ends.put_nowait(stream)
        return stream

    async with await loop.create_server(accept, "127.0.0.1", 0) as server:
        _, sender = await loop.create_connection(lambda: Stream(deadlines), *server.sockets[0].getsockname())
        taker = await ends.get()
        assert taker.transport.max_size == SMALLEST_READ, "requests are small, and connections may be many"
        total, got, largest = 64 << 20, 0, 0
        sender.write(bytes(total))
        while got < total:
            piece = await taker.read_some(20)
            got += len(piece)
            largest = max(largest, len(piece))
        # What asyncio reads at most by itself is 256 KiB: more shows that it heeds the size.
        assert largest > 256 * 1024 and taker.transport.max_size == LARGEST_READ
        deadlines.streams.update(Stream(deadlines) for _ in range(400))
        assert deadlines.read_size() * len(deadlines.streams) <= READS_TOGETHER
        deadlines.streams.update(Stream(deadlines) for _ in range(1000))
        assert deadlines.read_size() == SMALLEST_READ
        deadlines.stop()


async def test_a_reader_goes_on_within_the_read_and_can_be_cancelled_while_it_waits() -> None:
    loop, deadlines = asyncio.get_running_loop(), Deadlines()
    stream, read, seen = Stream(deadlines), [], []

    async def reader() -> None:
        while data := await stream.read_some(20):
            read.append((data, asyncio.current_task()))

    def arrive(data: bytes) -> None:
        stream.data_received(data)
        seen.append(len(read))

    task = asyncio.create_task(reader())
    await asyncio.sleep(0)
    loop.call_soon(arrive, b"a")
    loop.call_soon(arrive, b"b")
    await asyncio.sleep(0)
    assert read == [(b"a", task), (b"b", task)]
    assert seen == [1, 2], "no turn of the loop has passed"
    loop.call_soon(task.cancel)
    loop.call_soon(arrive, b"c")
    await asyncio.wait((task,), timeout=5)
    assert task.cancelled() and len(read) == 2, "what comes behind a cancellation wakes nobody"
    assert await stream.read_some(20) == b"c"
    waiting = asyncio.create_task(stream.read_some(20))
    await asyncio.sleep(0)
    loop.call_soon(stream.eof_received)
    loop.call_soon(waiting.cancel)
    await asyncio.wait((waiting,), timeout=5)
    assert waiting.cancelled(), "an end leaves room for what ends the task"
    deadlines.stop()


async def test_what_is_late_ends_and_then_nothing_wakes_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terok_sandbox.http1.stream.SWEEP_SECONDS", 0.001)
    deadlines, (mine, theirs) = Deadlines(), socket.socketpair()
    assert deadlines._timer is None
    stream = Stream(deadlines)
    await deadlines.loop.connect_accepted_socket(lambda: stream, mine)
    with theirs, pytest.raises(TimeoutError):
        await stream.read_some(0.0)
    stream.abort()
    async with asyncio.timeout(20):
        while deadlines._timer is not None:
            await asyncio.sleep(0)
    assert not deadlines.streams
