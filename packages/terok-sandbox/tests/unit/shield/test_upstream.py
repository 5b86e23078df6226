from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from terok_sandbox.shield import upstream
from terok_sandbox.shield.upstream import UpstreamError, UpstreamResolver, parse_resolv_conf

Behave = Callable[[dns.message.Message], list[bytes]]


def answered(query: dns.message.Message, address: str = "203.0.113.9") -> dns.message.Message:
    reply = dns.message.make_response(query)
    reply.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", address))
    return reply


@asynccontextmanager
async def name_server(
    behave: Behave, *, late: float = 0, tcp: bool = True
) -> AsyncIterator[tuple[tuple[str, int], list[str]]]:
    """Start a name server on UDP (answering *late* seconds late) and TCP (in full) of one loopback port."""
    seen: list[str] = []

    class Protocol(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            query = dns.message.from_wire(data)
            seen.append(f"{query.question[0]} edns={query.edns}")
            for wire in behave(query):
                asyncio.get_running_loop().call_later(late, self.transport.sendto, wire, addr)  # type: ignore[attr-defined]

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        query = dns.message.from_wire(await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big")))
        wire = answered(query, "203.0.113.10").to_wire()
        if tcp:
            writer.write(len(wire).to_bytes(2, "big") + wire)
        writer.close()

    server = await asyncio.start_server(stream, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Protocol, local_addr=address)
    async with server:
        yield address, seen
    transport.close()


def test_resolv_conf() -> None:
    lines = ["# c", "nameserver 192.0.2.1 ; x", "nameserver fe80::1%eth0", "nameserver bad", "search x", "nameserver"]
    text = "\n".join([*lines, "nameserver ::1", "nameserver 192.0.2.2"])
    assert parse_resolv_conf(text) == (("192.0.2.1", 53), ("fe80::1%eth0", 53), ("::1", 53))


async def test_the_servers_are_read_from_the_file(tmp_path: Path) -> None:
    with pytest.raises(UpstreamError, match="no name server"):
        await UpstreamResolver(tmp_path / "missing").query("www.example.com", 1)


async def test_strays_are_ignored_and_truncation_goes_to_tcp() -> None:
    def truncated(query: dns.message.Message) -> list[bytes]:
        stray, cut = answered(query, "203.0.113.66"), dns.message.make_response(query)
        stray.id ^= 1
        cut.flags |= dns.flags.TC
        return [b"junk", stray.to_wire(), cut.to_wire()]

    async with name_server(truncated) as (address, _):
        answer = await UpstreamResolver(servers=(address,)).query("www.example.com", 1)
    assert [str(one) for one in answer.addresses] == ["203.0.113.10"]


async def test_what_fits_of_a_truncated_answer_counts_where_tcp_gives_none() -> None:
    def cut(query: dns.message.Message) -> list[bytes]:
        reply = answered(query)
        reply.flags |= dns.flags.TC
        return [reply.to_wire()]

    async with name_server(cut, tcp=False) as (address, _):
        answer = await UpstreamResolver(servers=(address,)).query("www.example.com", 1)
    assert [str(one) for one in answer.addresses] == ["203.0.113.9"]


@pytest.mark.parametrize("behind", [False, True])
async def test_a_slow_server_is_listened_to_while_others_are_asked(
    monkeypatch: pytest.MonkeyPatch, behind: bool
) -> None:
    monkeypatch.setattr(upstream, "_TRY", 0.05)
    async with (
        name_server(lambda query: []) as (silent, _),
        name_server(lambda query: [answered(query).to_wire()], late=0.5) as (slow, seen),
    ):
        servers = (silent, slow) if behind else (slow, silent)
        answer = await UpstreamResolver(servers=servers).query("www.example.com", 1)
    assert [str(one) for one in answer.addresses] == ["203.0.113.9"]
    assert len(seen) == (1 if behind else 2), "the first one is asked once more, without EDNS"


async def test_a_failing_server_is_followed_by_the_next_and_by_plain_queries() -> None:
    def no_edns(query: dns.message.Message) -> list[bytes]:
        reply = answered(query) if query.edns < 0 else dns.message.make_response(query)
        reply.set_rcode(dns.rcode.NOERROR if query.edns < 0 else dns.rcode.FORMERR)
        return [reply.to_wire()]

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = closed.getsockname()
    async with name_server(no_edns) as (address, seen):
        answer = await UpstreamResolver(servers=(nobody, address)).query("www.example.com", 1)
    assert [str(one) for one in answer.addresses] == ["203.0.113.9"]
    assert seen == ["www.example.com. IN A edns=0", "www.example.com. IN A edns=-1"]


async def test_a_dead_server_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "TIMEOUT", 0.2)
    async with name_server(lambda query: []) as (address, _):
        with pytest.raises(UpstreamError):
            await asyncio.wait_for(UpstreamResolver(servers=(address,)).query("www.example.com", 1), 2)
