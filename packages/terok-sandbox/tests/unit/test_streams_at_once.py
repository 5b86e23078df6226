"""Every TCP connection of ours sends small pieces at once, whatever its listener was made like.

asyncio sees to that only for sockets whose protocol is not 0; each event of a stream then waits 40 ms.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from terok_sandbox.audit import AuditLog
from terok_sandbox.gate.host_server import GateServer
from terok_sandbox.loopback import serve_loopback
from terok_sandbox.netns.listeners import ListenerSpec, bind_listener
from terok_sandbox.shield.egress.judge import EgressDecision
from terok_sandbox.shield.egress.proxy import EgressProxy
from terok_sandbox.shield.sightings import Sightings

AT_ONCE = (socket.IPPROTO_TCP, socket.TCP_NODELAY)


def waiting(*ports: int) -> list[tuple[object, object]]:
    """Return the ends of the connections of this process, one of them at a port given, that do not send at once."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            one = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        with one:
            try:
                ends = one.getsockname(), one.getpeername()
                if one.family == socket.AF_INET and {ends[0][1], ends[1][1]} & set(ports):
                    found += [] if one.getsockopt(*AT_ONCE) else [ends]
            except OSError:
                continue
    return found


@asynccontextmanager
async def silent_host() -> AsyncIterator[tuple[int, asyncio.Event]]:
    reached, done = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        reached.set()
        await done.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], reached
    done.set()
    server.close()


def old_listener() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    assert listener.proto == 0 and not listener.getsockopt(*AT_ONCE)
    return listener


def test_what_our_listeners_accept_sends_at_once(tmp_path: Path) -> None:
    with bind_listener(ListenerSpec("any", 0), deadline=time.monotonic() + 9) as listener:
        listener.setblocking(True)
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            assert accepted.getsockopt(*AT_ONCE)
    with GateServer(tmp_path, "proj", "x" * 40) as server:
        assert server._socket.getsockopt(*AT_ONCE)


async def test_a_host_s_port_is_passed_on_at_once() -> None:
    async with silent_host() as (port, reached):
        listener = old_listener()
        task = asyncio.create_task(serve_loopback(listener, port, lambda: False))
        _, writer = await asyncio.open_connection(*listener.getsockname())
        await asyncio.wait_for(reached.wait(), 20)
        assert waiting(port, listener.getsockname()[1]) == []
        writer.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        listener.close()


class Fixed:
    def allows_tunnel(self, *_: object) -> bool:
        return True

    async def admit(self, *_: object) -> EgressDecision:
        return EgressDecision((ip_address("127.0.0.1"),), opaque=True, named=True)


async def test_a_tunnel_of_the_egress_proxy_sends_at_once(tmp_path: Path) -> None:
    async with silent_host() as (port, reached):
        listener = old_listener()
        sightings = Sightings(AuditLog(tmp_path / "audit.jsonl"), clock=asyncio.get_running_loop().time)
        proxy: Any = EgressProxy(Fixed(), sightings)  # type: ignore[arg-type]
        task = asyncio.create_task(proxy.serve(listener))
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"CONNECT a.example.com:%d HTTP/1.1\r\n\r\n" % port)
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        writer.write(b"hello")
        await asyncio.wait_for(reached.wait(), 20)
        assert waiting(port, listener.getsockname()[1]) == []
        writer.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        listener.close()


@pytest.mark.parametrize("proto", [0, socket.IPPROTO_TCP])
def test_what_shows_whether_a_connection_waits(proto: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, proto) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()), listener.accept()[0]:
            assert len(waiting(listener.getsockname()[1])) == 2
