"""How much is read at a time: more for streams that are alone, little for each of many."""

from __future__ import annotations

import asyncio

from terok_sandbox.vault.leg import LARGEST_READ, READS_TOGETHER, SMALLEST_READ, Leg, Watch


async def test_a_lone_stream_reads_in_large_pieces_and_many_in_small_ones() -> None:
    loop, watch, ends = asyncio.get_running_loop(), Watch(), asyncio.Queue[Leg]()

    def accept() -> Leg:
        leg = Leg(watch)
        ends.put_nowait(leg)
        return leg

    async with await loop.create_server(accept, "127.0.0.1", 0) as server:
        _, sender = await loop.create_connection(lambda: Leg(watch), *server.sockets[0].getsockname())
        taker = await ends.get()
        assert taker.transport.max_size == SMALLEST_READ, "requests are small, and connections may be many"
        total, got, largest = 64 << 20, 0, 0
        sender.write(bytes(total))
        while got < total:
            piece = await taker.some(20)
            got += len(piece)
            largest = max(largest, len(piece))
        # What asyncio reads at most by itself is 256 KiB: more shows that it heeds the size.
        assert largest > 256 * 1024 and taker.transport.max_size == LARGEST_READ
        watch.legs.update(Leg(watch) for _ in range(400))
        assert watch.read_size() * len(watch.legs) <= READS_TOGETHER
        watch.legs.update(Leg(watch) for _ in range(1000))
        assert watch.read_size() == SMALLEST_READ
        watch.stop()
