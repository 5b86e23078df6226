from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_address
from pathlib import Path

import dns.asyncquery
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from terok_sandbox.audit import AuditLog, read_audit
from terok_sandbox.errors import ShieldError
from terok_sandbox.netns.nft import NftChannelError, NftCommandError
from terok_sandbox.shield.asker import RefusedDestination
from terok_sandbox.shield.dns import MAX_CONNECTIONS, DnsServer
from terok_sandbox.shield.dns_wire import Answer
from terok_sandbox.shield.policy import Policy
from terok_sandbox.shield.resolver import Resolver
from terok_sandbox.shield.ruleset.commands import Opening, open_command
from terok_sandbox.shield.sightings import Sightings
from terok_sandbox.shield.upstream import UpstreamError
from terok_sandbox.shield.wall import Wall
from terok_sandbox.sidecar import PolicyTiers

ALLOWED = PolicyTiers(project_allow=("+ www.example.com:443", "+ *.wild.example.com:443"))


class World:
    """Upstream and rule channel of a test; ``log`` is what happened, in order."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.upstream_error: Exception | None = None
        self.rule_error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def query(self, name: str, rdtype: int) -> Answer:
        self.log.append(f"ask {name}")
        await self.gate.wait()
        if self.upstream_error:
            raise self.upstream_error
        return Answer(0, (), (ip_address("203.0.113.9") if rdtype == 1 else ip_address("2001:db8::9"),), 60)

    async def run(self, command: str) -> str:
        self.log.append(command.rpartition("; ")[2])
        if self.rule_error:
            raise self.rule_error
        return ""

    async def open_addresses(self, name: str, openings: Sequence[Opening]) -> None:
        del name
        await self.run(open_command(openings))


@pytest.fixture
async def world() -> World:
    return World()


@pytest.fixture
async def server(world: World, tmp_path: Path) -> DnsServer:
    sightings = Sightings(AuditLog(tmp_path / "shield.jsonl"), clock=asyncio.get_running_loop().time)
    resolver = Resolver(Wall(Policy.from_tiers(ALLOWED)))
    return DnsServer(resolver, upstream=world, sightings=sightings, open_addresses=world.open_addresses)  # type: ignore[arg-type]


@pytest.fixture
async def address(server: DnsServer) -> AsyncIterator[tuple[str, int]]:
    tcp = socket.create_server(("127.0.0.1", 0))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(tcp.getsockname())
    task = asyncio.create_task(server.serve(udp, tcp))
    yield udp.getsockname()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def ask(address: tuple[str, int], name: str, rdtype: str = "A", *, tcp: bool = False) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype)
    send = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
    return await send(query, address[0], port=address[1], timeout=5)


@pytest.mark.parametrize("tcp", [False, True])
async def test_the_address_is_open_before_the_answer_leaves(world: World, address: tuple[str, int], tcp: bool) -> None:
    reply = await ask(address, "www.example.com", tcp=tcp)
    assert [record.address for record in reply.answer[0]] == ["203.0.113.9"]
    opened = "add element inet terok learned4 { 203.0.113.9 . tcp . 443 timeout 360s }"
    assert world.log == ["ask www.example.com", opened]
    await ask(address, "www.example.com", tcp=not tcp)
    assert len(world.log) == 2  # cached


async def test_one_question_is_asked_once_whoever_waits(world: World, address: tuple[str, int]) -> None:
    world.gate.clear()
    waiting = [asyncio.create_task(ask(address, "www.example.com")) for _ in range(20)]
    await asyncio.sleep(0.05)
    world.gate.set()
    replies = await asyncio.gather(*waiting)
    assert {reply.rcode() for reply in replies} == {dns.rcode.NOERROR}
    assert len(world.log) == 2


@pytest.mark.attack("DNS-1")
async def test_a_refused_name_is_answered_and_recorded_only(
    world: World, address: tuple[str, int], tmp_path: Path
) -> None:
    assert (await ask(address, "data.evil.example", "TXT")).rcode() == dns.rcode.NXDOMAIN
    assert world.log == []
    (row,) = read_audit(tmp_path / "shield.jsonl")
    assert (row["action"], row["name"]) == ("refused", "data.evil.example")


@pytest.mark.parametrize(("name", "ttl"), [("new.example", 5), ("www.example.com", 60)])
async def test_what_is_not_there_may_be_kept_for_a_while(address: tuple[str, int], name: str, ttl: int) -> None:
    reply = await ask(address, name, "TXT")
    [negative] = reply.authority
    assert (negative.rdtype, negative.ttl, negative[0].minimum) == (dns.rdatatype.SOA, ttl, ttl)
    assert reply.question[0].name.is_subdomain(negative.name)


async def test_a_cached_answer_ends_with_the_policy_that_gave_it(server: DnsServer, address: tuple[str, int]) -> None:
    for _ in range(3):
        assert (await ask(address, "www.example.com")).rcode() == dns.rcode.NOERROR
    server._resolver.wall = Wall(Policy())
    server.forget_answers()
    assert (await ask(address, "www.example.com")).rcode() == dns.rcode.NXDOMAIN


async def test_who_asks_can_be_found_while_the_question_is_held(server: DnsServer, address: tuple[str, int]) -> None:
    asked: list[RefusedDestination] = []

    class Person:
        def report_refusal(self, refused: RefusedDestination) -> None: ...
        async def delay_answer(self, refused: RefusedDestination) -> None:
            asked.append(refused)

    server._asker = Person()  # type: ignore[assignment]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(address)
        client.send(dns.message.make_query("new.example", "A").to_wire())
        await asyncio.wait_for(asyncio.to_thread(client.recv, 512), 10)
        assert [one.client for one in asked] == [("udp", client.getsockname()[1])]


async def test_what_cannot_be_remembered_stays_closed(server: DnsServer, world: World, tmp_path: Path) -> None:
    async def full(name: str, openings: object) -> None:
        rows = [row["action"] for row in read_audit(tmp_path / "shield.jsonl")]
        assert (name, bool(openings), rows) == ("www.example.com", True, ["allowed"]), "it is recorded before it opens"
        raise ShieldError("too many")

    server._open_addresses = full
    reply = dns.message.from_wire(
        await server.answer_query(dns.message.make_query("www.example.com", "A").to_wire()) or b""
    )
    assert (reply.rcode(), reply.answer) == (dns.rcode.SERVFAIL, [])
    assert world.log == ["ask www.example.com"]


@pytest.mark.parametrize("failing", ["upstream_error", "rule_error"])
async def test_no_answer_without_upstream_or_rules(world: World, address: tuple[str, int], failing: str) -> None:
    error = UpstreamError("dead") if failing == "upstream_error" else NftCommandError("set is full")
    setattr(world, failing, error)
    for _ in range(2):
        reply = await ask(address, "www.example.com")
        assert (reply.rcode(), reply.answer) == (dns.rcode.SERVFAIL, [])
    assert world.log.count("ask www.example.com") == 1  # failures are remembered for a moment


async def test_a_lost_rule_channel_ends_the_server(world: World, server: DnsServer) -> None:
    world.rule_error = NftChannelError("gone")
    tcp = socket.create_server(("127.0.0.1", 0))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    address = udp.getsockname()
    task = asyncio.create_task(server.serve(udp, tcp))
    await asyncio.sleep(0.01)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(dns.message.make_query("www.example.com", "A").to_wire(), address)
        with pytest.raises(NftChannelError):
            await asyncio.wait_for(task, 5)


@pytest.mark.attack("ACC-1")
async def test_connections_are_limited_and_broken_ones_do_no_harm(address: tuple[str, int]) -> None:
    """ACC-1: connections that ask nothing are bounded and give way to those that do."""
    silent = [await asyncio.open_connection(*address) for _ in range(3 * MAX_CONNECTIONS)]
    assert await asyncio.wait_for(silent[0][0].read(), 5) == b""
    assert (await ask(address, "www.example.com", tcp=True)).rcode() == dns.rcode.NOERROR
    for _, other in silent:
        other.write(b"\xff\xff not that long")
        other.close()
    assert (await ask(address, "www.example.com", tcp=True)).rcode() == dns.rcode.NOERROR
