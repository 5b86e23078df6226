"""The proxy over real sockets; where a judged name leads is a server of the test, since loopback is closed."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from terok_sandbox.audit import AuditLog, read_audit
from terok_sandbox.shield.asker import RefusedDestination
from terok_sandbox.shield.dns_wire import Answer
from terok_sandbox.shield.egress.judge import MAX_DELAYED, EgressDecision, HostLimits, HostUsage, Judge, Refused
from terok_sandbox.shield.egress.proxy import MAX_UNDECIDED, EgressProxy
from terok_sandbox.shield.live import LivePolicy, LiveVerdict
from terok_sandbox.shield.policy import Policy
from terok_sandbox.shield.sightings import Sightings
from terok_sandbox.sidecar import PolicyTiers

HELLO = Path(__file__).with_name("test_client_hello.py")
spec = importlib.util.spec_from_file_location("hello_source", HELLO)
assert spec is not None and spec.loader is not None
hello_source: Any = importlib.util.module_from_spec(spec)
sys.modules["hello_source"] = hello_source
spec.loader.exec_module(hello_source)

RULES = ("+ a.example.com:443", "+ a.example.com:80", "+ a.example.com:22 %tls=off", "+ 203.0.113.0/24:443")


class Names:
    """Answers that a test can change between questions, or while one is asked."""

    def __init__(self) -> None:
        self.found = {1: ["203.0.113.9"], 28: ["2001:db8::9"]}
        self.chain: tuple[str, ...] = ()
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def query(self, name: str, rdtype: int) -> Answer:
        del name
        self.asked.set()
        await self.gate.wait()
        return Answer(0, self.chain, tuple(map(ip_address, self.found[rdtype])), 60)


@pytest.fixture
def live(tmp_path: Path) -> LivePolicy:
    return LivePolicy(Policy.from_tiers(PolicyTiers(project_allow=RULES)), tmp_path / "live.json", channel=None)


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def judge(live: LivePolicy, names: Names) -> Judge:
    return Judge(live, names, lambda: ["203.0.113.1"])  # type: ignore[arg-type]


@pytest.mark.attack("ADDR-1")
@pytest.mark.attack("ADDR-3")
@pytest.mark.attack("ADDR-4")
@pytest.mark.attack("NET-3")
@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "0.0.0.0", "::", "::1"),
        *("::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe", "169.254.169.254", "fd00:ec2::254", "metadata.google.internal"),
        "64:ff9b::cb00:7101",
        *("203.0.113.1", "10.0.0.1", "a.example.com.", "A.example.com", "a.example.com%00", "a%2eexample.com", "b.c"),
        *("100.100.100.200", "fe80::1%eth0", "192.0.2.7", "xn--", "*.example.com", "a.example.com\x7f"),
    ],
)
async def test_hosts_in_every_spelling_are_refused(judge: Judge, live: LivePolicy, host: str) -> None:
    with pytest.raises(Refused):
        await judge.admit(host, 443)
    if host not in ("192.0.2.7", "b.c"):
        await live.set_posture("disengaged")
        with pytest.raises(Refused):
            await judge.admit(host, 443)


@pytest.mark.attack("DNS-3")
async def test_only_judged_addresses_are_dialed(judge: Judge, live: LivePolicy, names: Names) -> None:
    names.found = {1: ["127.0.0.1", "203.0.113.9", "203.0.113.1"], 28: ["::1", "2001:db8::9", "fd00::1"]}
    assert list(map(str, (await judge.admit("a.example.com", 443)).addresses)) == ["203.0.113.9", "2001:db8::9"]
    names.found = {1: ["10.0.0.9"], 28: []}
    with pytest.raises(Refused, match="private"):
        await judge.admit("a.example.com", 443)
    with pytest.raises(Refused, match="allowed only for"):
        await judge.admit("a.example.com", 8443)
    assert (await judge.admit("203.0.113.7", 443)).named is False
    await live.set_posture("quarantine")
    with pytest.raises(Refused, match="quarantine") as refused:
        await judge.admit("203.0.113.7", 443)
    assert refused.value.decision.tier == "quarantine", "which no verdict opens, so that nobody is asked"


@pytest.mark.attack("DNS-3")
async def test_a_denial_counts_that_comes_while_the_upstream_takes_its_time(
    judge: Judge, live: LivePolicy, names: Names
) -> None:
    names.gate.clear()
    route = asyncio.create_task(judge.admit("a.example.com", 443))
    await names.asked.wait()
    await live.apply(LiveVerdict("a.example.com", "deny", reason="enough"))
    names.gate.set()
    with pytest.raises(Refused, match="enough"):
        await route


async def test_an_alias_of_a_denied_name_is_not_dialed(judge: Judge, live: LivePolicy, names: Names) -> None:
    names.chain = ("cdn.example.net", "tracker.example")
    assert (await judge.admit("a.example.com", 443)).addresses
    await live.apply(LiveVerdict("tracker.example", "deny"))
    with pytest.raises(Refused, match=r"an alias of tracker\.example"):
        await judge.admit("a.example.com", 443)


async def test_a_tunnel_outlives_the_verdict_that_allowed_it(judge: Judge, live: LivePolicy) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.2)
    await live.apply(LiveVerdict("new.example.com:443", "allow", "once", soon))
    assert judge.allows_tunnel("new.example.com", 443, "203.0.113.9")
    expiry = asyncio.create_task(live.expire_verdicts())
    async with asyncio.timeout(30):
        while judge.decide_destination("new.example.com", 443).allowed:
            await asyncio.sleep(0.02)
    await live.apply(LiveVerdict("other.example.com", "allow"))
    assert judge.allows_tunnel("new.example.com", 443, "203.0.113.9")
    assert not judge.allows_tunnel("new.example.com", 443, "10.0.0.9")
    with pytest.raises(Refused):
        await judge.admit("new.example.com", 443)
    await live.apply(LiveVerdict("new.example.com", "deny"))
    assert not judge.allows_tunnel("new.example.com", 443, "203.0.113.9")
    expiry.cancel()


async def test_a_verdict_given_meanwhile_counts(live: LivePolicy, names: Names) -> None:
    class Person:
        def report_refusal(self, refused: RefusedDestination) -> None: ...
        async def delay_answer(self, request: RefusedDestination) -> None:
            assert request.client == ("tcp", 40_000)
            await live.apply(LiveVerdict(f"{request.name}:{request.port}", "allow"))

    judge = Judge(live, names, list, Person())  # type: ignore[arg-type]
    assert (await judge.admit("new.example.com", 443, 40_000)).addresses


class Fixed:
    """A judge that allows what it is told to and leads it to one server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.given = EgressDecision((ip_address("127.0.0.1"),), opaque=False, named=True)
        self.allowed = True
        self.client = 0

    def allows_tunnel(self, host: str, port: int, address: str) -> bool:
        del host, port, address
        return self.allowed

    async def admit(self, host: str, port: int, client: int) -> EgressDecision:
        del port
        if host.startswith("held."):
            await asyncio.Event().wait()
        self.client = client
        return self.given


@pytest.fixture
async def upstream() -> AsyncIterator[tuple[int, list[bytes]]]:
    """Serve a peer that records what it gets and answers `pong`."""
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            got.append(piece)
            writer.write(b"pong")
            if piece.startswith((b"GET", b"POST")) or piece.endswith(b"0\r\n\r\n"):
                break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], got


@pytest.fixture
async def proxy(upstream: tuple[int, list[bytes]], tmp_path: Path) -> AsyncIterator[Any]:
    sightings = Sightings(AuditLog(tmp_path / "audit.jsonl"), clock=asyncio.get_running_loop().time)
    judge = Fixed(upstream[0])
    proxy: Any = EgressProxy(judge, sightings, HostUsage(HostLimits(burst=8, per_second=0, up=100_000)))  # type: ignore[arg-type]
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    task = asyncio.create_task(proxy.serve(listener))
    proxy.port, proxy.judge, proxy.target = listener.getsockname()[1], judge, f"a.example.com:{upstream[0]}".encode()
    yield proxy
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    listener.close()
    await asyncio.sleep(0.05)


async def say(proxy: Any, *pieces: bytes, end: bool = True) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    for piece in pieces:
        with suppress(ConnectionError):
            writer.write(piece)
        await asyncio.sleep(0.02)
    if end:
        with suppress(OSError):
            writer.write_eof()
    found = b""
    async with asyncio.timeout(5):
        with suppress(ConnectionError):
            while piece := await reader.read(65536):
                found += piece
    writer.close()
    return found


@pytest.mark.attack("TLS-1")
@pytest.mark.attack("TLS-2")
@pytest.mark.attack("TLS-3")
@pytest.mark.attack("TLS-4")
async def test_a_tunnel_speaks_tls_to_the_host_it_named(
    proxy: Any, upstream: tuple[int, list[bytes]], tmp_path: Path
) -> None:
    connect = b"CONNECT " + proxy.target + b" HTTP/1.1\r\n\r\n"
    good = hello_source.hello("a.example.com")
    assert (await say(proxy, connect[:9], connect[9:] + good[:50], good[50:])).endswith(b"\r\n\r\npong")
    assert b"".join(upstream[1]) == good
    upstream[1].clear()
    ech = hello_source.made(hello_source.sni(b"a.example.com"), hello_source.extension(0xFE0D, b""))
    for bad in (
        hello_source.hello("b.example.com"),
        hello_source.hello(None),
        ech,
        b"SSH-2.0-x\r\n",
        b"GET / HTTP/1.1\r\n",
    ):
        assert b"pong" not in await say(proxy, connect, bad)
    assert upstream[1] == []
    proxy.judge.given = replace(proxy.judge.given, opaque=True)
    assert (await say(proxy, connect, b"SSH-2.0-x\r\n")).endswith(b"pong")
    await say(proxy, connect, b"8th")
    assert (await say(proxy, connect, b"9th")).startswith(b"HTTP/1.1 429 ")
    rows = [(row["action"], row["reason"], row["tier"]) for row in read_audit(tmp_path / "audit.jsonl")]
    assert ("refused", "the TLS server name is not the host that was asked for", "egress") in rows
    assert ("allowed", "tunnel", "egress") in rows
    assert {tier for _, _, tier in rows} == {"egress"}, "nothing of it is a question for a person"


@pytest.mark.attack("HTTP-2")
async def test_plain_http_is_one_request(proxy: Any, upstream: tuple[int, list[bytes]]) -> None:
    target = proxy.target
    get = b"GET http://" + target + b"/x HTTP/1.1\r\nHost: " + target + b"\r\n\r\n"
    assert await say(proxy, get + b"GET http://evil/ HTTP/1.1\r\nHost: evil\r\n\r\n") == b"pong"
    assert b"evil" not in b"".join(upstream[1])
    post = b"POST http://" + target + b"/ HTTP/1.1\r\nHost: " + target + b"\r\nContent-Length: 4\r\n\r\n"
    assert await say(proxy, post, b"body and more") == b"pong"
    assert b"and more" not in b"".join(upstream[1])
    assert (await say(proxy, get.replace(b"Host: a", b"Host: b"))).startswith(b"HTTP/1.1 400 ")


async def test_hosts_are_compared_without_case_and_the_dot_at_the_end(
    proxy: Any, upstream: tuple[int, list[bytes]], tmp_path: Path
) -> None:
    host = b"A.Example.COM.:%d" % upstream[0]
    hello = hello_source.hello("a.EXAMPLE.com")
    assert (await say(proxy, b"CONNECT " + host + b" HTTP/1.1\r\n\r\n", hello)).endswith(b"pong")
    get = b"GET http://" + host + b"/x HTTP/1.1\r\nHost: " + proxy.target + b"\r\n\r\n"
    assert await say(proxy, get) == b"pong"
    assert {row["name"] for row in read_audit(tmp_path / "audit.jsonl")} == {"a.example.com"}


@pytest.mark.attack("HTTP-4")
async def test_chunks_are_framed_anew(proxy: Any, upstream: tuple[int, list[bytes]]) -> None:
    target = proxy.target
    put = b"PUT http://" + target + b"/ HTTP/1.1\r\nHost: " + target + b"\r\nTransfer-Encoding: Chunked\r\n\r\n"
    assert b"pong" in await say(
        proxy, put, b"4;a=b\r\nbo", b"dy\r\n0", b"\r\nX: y\r\n\r\nGET http://evil/ HTTP/1.1\r\n\r\n"
    )
    head, body = b"".join(upstream[1]).split(b"\r\n\r\n", 1)
    assert b"Transfer-Encoding: Chunked" in head
    assert body == b"2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n"
    for broken in (b"4\r\nbodyX0\r\n\r\n", b"4\nbody\r\n0\r\n\r\n", b"+4\r\nbody\r\n0\r\n\r\n", b"4\r\nbo"):
        upstream[1].clear()
        await say(proxy, put, broken)
        assert not b"".join(upstream[1]).endswith(b"0\r\n\r\n"), "an unfinished body is not finished for it"


@pytest.mark.attack("NET-2")
@pytest.mark.parametrize("plain", [True, False])
async def test_a_denial_ends_a_busy_flow_whenever_it_comes(proxy: Any, *, plain: bool) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        with suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b"tick")
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()

    proxy.judge.given = replace(proxy.judge.given, opaque=True)
    async with await asyncio.start_server(flood, "127.0.0.1", 0) as server:
        for number in range(40):
            host = b"h%d.example.com:%d" % (number, server.sockets[0].getsockname()[1])
            get = b"GET http://" + host + b"/ HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(get if plain else b"CONNECT " + host + b" HTTP/1.1\r\n\r\nhi")
            await reader.readuntil(b"tick")
            for _ in range(number):
                await asyncio.sleep(0)
            proxy.judge.allowed = False
            proxy.reconsider_tunnels()
            proxy.judge.allowed = True
            async with asyncio.timeout(2):
                with suppress(ConnectionError):
                    while await reader.read(65536):
                        pass
            writer.close()


@pytest.mark.attack("HTTP-11")
async def test_heads_use_up_the_byte_budget_too(proxy: Any, upstream: tuple[int, list[bytes]]) -> None:
    get = b"GET http://" + proxy.target + b"/ HTTP/1.1\r\nHost: " + proxy.target + b"\r\nX: " + b"x" * 40_000
    answers = [await say(proxy, get + b"\r\n\r\n") for _ in range(4)]
    assert [answer[9:12] for answer in answers] == [b"", b"", b"429", b"429"]
    assert len(b"".join(upstream[1])) < 100_000


@pytest.mark.attack("NET-2")
async def test_what_is_denied_while_it_is_dialed_carries_nothing(proxy: Any, upstream: tuple[int, list[bytes]]) -> None:
    proxy.judge.allowed = False
    connect = b"CONNECT " + proxy.target + b" HTTP/1.1\r\n\r\n"
    assert await say(proxy, connect, hello_source.hello("a.example.com")) == b""
    assert upstream[1] == []


async def test_a_refusal_is_read_even_when_the_client_has_sent_more(proxy: Any) -> None:
    for _ in range(8):
        await say(proxy, b"CONNECT " + proxy.target + b" HTTP/1.1\r\n\r\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"CONNECT " + proxy.target + b" HTTP/1.1\r\n\r\n" + b"x" * 2_000_000)
    with suppress(ConnectionError):
        await writer.drain()
    async with asyncio.timeout(5):
        assert (await reader.read()).startswith(b"HTTP/1.1 429 ")
    writer.close()


@pytest.mark.attack("RES-1")
async def test_nobody_is_dropped_in_a_crowd(proxy: Any) -> None:
    connect = b"CONNECT " + proxy.target + b" HTTP/1.1\r\n\r\n"
    crowd = [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(100)]
    with suppress(TimeoutError):
        while len(crowd) < 400:  # until the kernel's queue is full
            crowd.append(socket.create_connection(("127.0.0.1", proxy.port), timeout=0.1))
    for one in crowd:
        one.sendall(connect)
        one.shutdown(socket.SHUT_WR)
    loop, first = asyncio.get_running_loop(), []
    for one in crowd:
        one.setblocking(False)
        async with asyncio.timeout(10):
            first.append((await loop.sock_recv(one, 12))[9:12])
        one.close()
    assert set(first) == {b"200", b"429"}
    assert len(first) > 300


@pytest.mark.attack("RES-1")
@pytest.mark.parametrize("head", [b"", b"CONNECT held.example.com:443 HTTP/1.1\r\n\r\n"])
async def test_connections_that_get_nowhere_give_way(proxy: Any, head: bytes) -> None:
    crowd = [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(MAX_UNDECIDED)]
    for one in crowd:
        one.sendall(head)
        one.shutdown(socket.SHUT_WR) if head else None
    connect = b"CONNECT " + proxy.target + b" HTTP/1.1\r\n\r\n"
    assert (await say(proxy, connect, hello_source.hello("a.example.com"))).endswith(b"pong")
    for one in crowd:
        one.close()


@pytest.mark.attack("RES-1")
async def test_only_so_many_wait_for_a_person(live: LivePolicy, names: Names) -> None:
    class Person:
        def report_refusal(self, refused: RefusedDestination) -> None: ...
        async def delay_answer(self, request: RefusedDestination) -> None:
            await asyncio.Event().wait()

    judge = Judge(live, names, list, Person())  # type: ignore[arg-type]
    waiting = [asyncio.create_task(judge.admit(f"n{number}.example", 443)) for number in range(MAX_DELAYED)]
    await asyncio.sleep(0)
    with pytest.raises(Refused):
        await asyncio.wait_for(judge.admit("one.more.example", 443), 5)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert judge._delayed == 0


@pytest.mark.attack("NET-2")
@pytest.mark.attack("TLS-4")
async def test_a_denial_and_a_budget_end_a_tunnel(
    proxy: Any, upstream: tuple[int, list[bytes]], tmp_path: Path
) -> None:
    proxy.judge.given = replace(proxy.judge.given, opaque=True)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"CONNECT " + proxy.target + b" HTTP/1.1\r\n\r\nhi")
    await reader.readuntil(b"pong")
    assert proxy.judge.client == writer.get_extra_info("sockname")[1]
    assert [row["reason"] for row in read_audit(tmp_path / "audit.jsonl")] == ["tunnel of unknown content"]
    proxy.judge.allowed = False
    proxy.reconsider_tunnels()
    async with asyncio.timeout(1):
        assert await reader.read() == b""
    writer.close()
    proxy.judge.allowed = True
    await say(proxy, b"CONNECT " + proxy.target + b" HTTP/1.1\r\n\r\n", *[b"x" * 30_000] * 6, end=False)
    assert len(b"".join(upstream[1])) <= 132_000
    assert b"429" in await say(proxy, b"CONNECT " + proxy.target + b" HTTP/1.1\r\n\r\n")
