"""Figures of the shield: rules up, lookups, connection set-up, verdict to effect, large policies.

Everything runs in user and network namespaces of its own, with the real nft and the product's own code; nothing leaves
the machine. Prints one JSON object; ``main`` returns 1 when a figure is beyond its bound.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from ipaddress import ip_address
from pathlib import Path

BOUNDS = {
    "rules_up_ms": 250.0,
    "verdict_to_effect_ms": 20.0,
    "decide_10k_us": 1000.0,
    "rules_10k_ms": 10000.0,
    "flood_share_of_a_core": 0.13,
}
FLOORS = {"lookups_ratio_to_echo": 0.25, "lookups_one_by_one_per_core_s": 8000.0}
PEER_ADDRESS = ip_address("192.0.2.2")
PEER = """
import socket, sys, threading
sys.stdin.readline()
def serve(one):
    data = bytes(1 << 20)
    try:
        if one.recv(4096)[:1] in (b"d", b"G"):
            for _ in range(32):
                one.sendall(data)
    except OSError:
        pass
    one.close()
listener = socket.create_server(("192.0.2.2", 443), backlog=512)
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


def timed(work: object, count: int) -> float:
    """Return the median time of a call in milliseconds."""
    spent = []
    for _ in range(count):
        began = time.perf_counter()
        work()  # type: ignore[operator]
        spent.append((time.perf_counter() - began) * 1000)
    return statistics.median(spent)


def connect() -> None:
    with socket.create_connection(("192.0.2.2", 443), timeout=2) as one:
        one.send(b"c")


def throughput(peer: tuple[str, int] = ("192.0.2.2", 443), request: bytes = b"d") -> float:
    """Return megabytes per second of one download."""
    with socket.create_connection(peer, timeout=10) as one:
        one.send(request)
        began, total = time.perf_counter(), 0
        while piece := one.recv(1 << 20):
            total += len(piece)
    return total / (time.perf_counter() - began) / 1e6


class Rows:
    """Takes audit rows and keeps none."""

    def record_event(self, event: object) -> None: ...
    def name_address(self, address: object, name: str) -> None: ...


async def inside(state: Path) -> dict[str, float]:
    """Measure within the namespaces."""
    from terok_sandbox.netns.nft import NftChannel, NftChannelFds
    from terok_sandbox.shield.dns import DnsServer
    from terok_sandbox.shield.dns_wire import Answer
    from terok_sandbox.shield.live import LivePolicy, LiveVerdict
    from terok_sandbox.shield.policy import Policy, Service
    from terok_sandbox.shield.resolver import Resolver
    from terok_sandbox.shield.ruleset.commands import Opening, open_command
    from terok_sandbox.shield.ruleset.render import render
    from terok_sandbox.shield.wall import Wall
    from terok_sandbox.sidecar import PolicyTiers

    found: dict[str, float] = {}
    plain = timed(connect, 200)
    policy = Policy.from_tiers(PolicyTiers(project_allow=("+ a.example.com:443",)))
    rules = render(policy, host_addresses=[])
    nft = str(shutil.which("nft"))
    found["rules_up_ms"] = timed(lambda: subprocess.run([nft, "-f", "-"], input=rules.encode(), check=True), 10)
    pipe = subprocess.PIPE
    shell = subprocess.Popen([nft, "-i"], stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)  # noqa: ASYNC220
    assert shell.stdin is not None
    assert shell.stdout is not None
    channel = NftChannel(NftChannelFds(os.dup(shell.stdin.fileno()), os.dup(shell.stdout.fileno())))
    live = LivePolicy(policy, state / "live.json", channel=channel)

    class Upstream:
        async def query(self, name: str, rdtype: int) -> Answer:
            del name, rdtype
            return Answer(0, (), (PEER_ADDRESS,), 60)

    import dns.message

    wire = dns.message.make_query("a.example.com", "A").to_wire()
    first, cached = [], []
    for _ in range(30):
        server = DnsServer(
            Resolver(Wall(policy)), upstream=Upstream(), sightings=Rows(), open_addresses=live.open_addresses
        )  # type: ignore[arg-type]
        for spent in (first, cached):
            began = time.perf_counter()
            await server.answer_query(wire)
            spent.append((time.perf_counter() - began) * 1000)
    found["first_lookup_added_ms"] = statistics.median(first)
    found["cached_lookup_ms"] = statistics.median(cached)
    found["connect_ratio"] = timed(connect, 200) / plain
    found |= await airlock()
    effects, heard = [], [0.0]
    live.watch(lambda: heard.append(time.perf_counter()))
    for number in range(10):
        began = time.perf_counter()
        await live.apply(LiveVerdict("203.0.113.9:443" if number % 2 else "192.0.2.2:443", "deny"))
        effects.append((heard[-1] - began) * 1000)  # told when the rules have followed; the disk comes later
        await live.reset()
    found["verdict_to_effect_ms"] = statistics.median(effects)
    channel.close()
    return found | walls(nft, rules, open_command([Opening(PEER_ADDRESS, Service("tcp", 443), False, 300)])) | large()


def walls(nft: str, rules: str, learn: str) -> dict[str, float]:
    """Measure many short downloads with and without the filter, in turns, of which each goes first as often.

    What else the machine does meets neighbors alike, so that the median of their ratios settles.
    """
    ways = {"plain": "flush ruleset", "filter": f"{rules}\n{learn}\n"}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(150):
        for name in sorted(ways, reverse=bool(turn % 2)):
            subprocess.run([nft, "-f", "-"], input=ways[name].encode(), check=True)
            rates[name].append(throughput())
    ratios = [filtered / plain for filtered, plain in zip(rates["filter"], rates["plain"], strict=True)]
    return {"throughput_ratio": statistics.median(ratios), "plain_mb_per_s": statistics.median(rates["plain"])}


async def airlock() -> dict[str, float]:
    """Measure downloads through the egress proxy against direct ones, both by a process of their own."""
    from terok_sandbox.shield.egress.judge import EgressDecision
    from terok_sandbox.shield.egress.proxy import EgressProxy

    class Anywhere:
        def allows_tunnel(self, host: str, port: int, address: str) -> bool:
            return bool(host and port and address)

        async def admit(self, host: str, port: int, client: int) -> EgressDecision:
            del host, port, client
            return EgressDecision((PEER_ADDRESS,), opaque=True, named=True)

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    proxy = asyncio.create_task(EgressProxy(Anywhere(), Rows()).serve(listener))  # type: ignore[arg-type]
    rates: dict[str, float] = {}
    for _ in range(5):
        for way in ("192.0.2.2:443", f"127.0.0.1:{listener.getsockname()[1]}"):
            argv = [sys.executable, __file__, "download", way]
            done = await asyncio.to_thread(subprocess.run, argv, stdout=subprocess.PIPE, check=True)
            rates[way] = max(rates.get(way, 0.0), float(done.stdout))
    proxy.cancel()
    await asyncio.gather(proxy, return_exceptions=True)
    direct, through = rates.values()
    return {"airlock_throughput_ratio": through / direct, "airlock_mb_per_s": through}


QUERY = b"\0\7\1\0\0\1\0\0\0\0\0\0\1a\7example\3com\0\0\1\0\1"


def names() -> dict[str, float]:
    """Measure cached lookups a second of one core: ours, a bare echo in Python, and dnsmasq where it is installed.

    What counts is the processor time of the server, so that the client and others do not.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    me = [sys.executable, __file__]
    servers = {"ours": [*me, "names", str(port)], "echo": [*me, "echo", str(port)]}
    if dnsmasq := shutil.which("dnsmasq"):
        local = f"-k -p {port} --pid-file= -C /dev/null --no-resolv --no-hosts --listen-address=127.0.0.1".split()
        servers["dnsmasq"] = [dnsmasq, *local, "--bind-interfaces", "--address=/a.example.com/192.0.2.2"]
    rates = {name: _rate(argv, port) for name, argv in servers.items()}
    found = {f"lookups_per_core_s_{name}": rate for name, rate in rates.items()}
    found["lookups_one_by_one_per_core_s"] = _rate(servers["ours"], port, window=1)
    found["lookups_ratio_to_echo"] = rates["ours"] / rates["echo"]
    if "dnsmasq" in rates:
        found["lookups_ratio_to_dnsmasq"] = rates["ours"] / rates["dnsmasq"]
    return found | {"flood_share_of_a_core": _flood(servers["ours"], port)}


def _rate(argv: list[str], port: int, count: int = 40_000, window: int = 16) -> float:
    with subprocess.Popen(argv) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        try:
            _wait_for(client, port)
            before = _cpu(server.pid)
            for _ in range(count // window):
                for _ in range(window):
                    client.send(QUERY)
                for _ in range(window):
                    client.recv(4096)
            return count / (_cpu(server.pid) - before)
        finally:
            server.kill()


def _flood(argv: list[str], port: int, seconds: float = 4.0) -> float:
    """Return the part of a core that questions for ever new names take once the burst is used up."""
    with subprocess.Popen(argv) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        try:
            _wait_for(client, port)
            client.setblocking(False)
            number, began, before = 0, time.monotonic(), 0.0
            while True:
                number += 1
                with contextlib.suppress(OSError):
                    client.send(QUERY[:12] + b"\x08%08x" % number + QUERY[12:])
                if number % 1000 == 0 and not before and _cpu(server.pid) > 3:
                    began, before = time.monotonic(), _cpu(server.pid)
                if before and time.monotonic() > began + seconds:
                    return (_cpu(server.pid) - before) / (time.monotonic() - began)
                if time.monotonic() > began + 30:
                    return _cpu(server.pid) / 30
        finally:
            server.kill()


def _wait_for(client: socket.socket, port: int) -> None:
    client.connect(("127.0.0.1", port))
    client.settimeout(0.2)
    for _ in range(50):
        with contextlib.suppress(OSError):
            client.send(QUERY)
            client.recv(4096)
            break
        time.sleep(0.1)
    time.sleep(0.3)
    with contextlib.suppress(OSError):
        client.setblocking(False)
        while client.recv(4096):
            pass
    client.settimeout(10)


def _cpu(pid: int) -> float:
    """Return the processor seconds of a process's only thread."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def echo(port: int) -> None:
    """Answer every datagram with itself."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", port))
        while True:
            data, peer = server.recvfrom(4096)
            server.sendto(data, peer)


async def serve_names(port: int) -> None:
    """Serve names as a gateway does, without rules to open."""
    from terok_sandbox.audit import AuditLog
    from terok_sandbox.shield.dns import DnsServer
    from terok_sandbox.shield.dns_wire import Answer
    from terok_sandbox.shield.policy import Policy
    from terok_sandbox.shield.resolver import Resolver
    from terok_sandbox.shield.sightings import Sightings
    from terok_sandbox.shield.wall import Wall
    from terok_sandbox.sidecar import PolicyTiers

    async def nowhere(name: str, openings: object) -> None: ...

    class World:
        async def query(self, name: str, rdtype: int) -> Answer:
            del name, rdtype
            return Answer(0, (), (PEER_ADDRESS,), 60)

    policy = Policy.from_tiers(PolicyTiers(project_allow=("+ a.example.com:443", "+ *.wild.example.com:443")))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", port))
    tcp = socket.create_server(("127.0.0.1", port))
    with tempfile.TemporaryDirectory() as state:
        sightings = Sightings(AuditLog(Path(state) / "audit"), clock=time.monotonic)
        await DnsServer(Resolver(Wall(policy)), upstream=World(), sightings=sightings, open_addresses=nowhere).serve(
            udp, tcp
        )  # type: ignore[arg-type]


def large() -> dict[str, float]:
    """Measure a policy of 10,000 names."""
    from terok_sandbox.shield.policy import Policy
    from terok_sandbox.shield.ruleset.render import render
    from terok_sandbox.sidecar import PolicyTiers

    lines = tuple(f"+ host{number}.example{number % 97}.com:443" for number in range(10_000))
    began = time.perf_counter()
    policy = Policy.from_tiers(PolicyTiers(project_allow=lines))
    render(policy, host_addresses=[])
    took = (time.perf_counter() - began) * 1000
    decide = timed(lambda: [policy.decide_name(f"host{n}.example{n % 97}.com", 443) for n in range(1000)], 5)
    return {"rules_10k_ms": took, "decide_10k_us": decide}


def run_inside() -> None:
    """Make the peer's namespace and measure against it."""
    peer = subprocess.Popen(
        ["unshare", "-n", sys.executable, "-c", PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert peer.stdin is not None
    assert peer.stdout is not None
    try:
        time.sleep(0.3)
        enter = f"nsenter -n -t {peer.pid} "
        for line in (
            "ip link set lo up",
            f"ip link add d0 type veth peer name d1 netns {peer.pid}",
            "ip addr add 192.0.2.1/24 dev d0",
            "ip link set d0 up",
            f"{enter}ip link set lo up",
            f"{enter}ip addr add 192.0.2.2/24 dev d1",
            f"{enter}ip link set d1 up",
        ):
            subprocess.run(line.split(), check=True)
        peer.stdin.write(b"go\n")
        peer.stdin.flush()
        peer.stdout.readline()
        with tempfile.TemporaryDirectory() as state:
            print(json.dumps(asyncio.run(inside(Path(state)))))
    finally:
        peer.kill()


def main(args: list[str]) -> int:
    """Print the figures; return 1 when one is beyond its bound."""
    if args[:1] == ["download"]:
        host, _, port = args[1].partition(":")
        print(
            throughput((host, int(port)), b"GET http://a.example.com:443/ HTTP/1.1\r\nHost: a.example.com:443\r\n\r\n")
        )
        return 0
    if args[1:] and args[0] in ("names", "echo"):
        port = int(args[1])
        asyncio.run(serve_names(port)) if args[0] == "names" else echo(port)
        return 0
    if args == ["inside"]:
        run_inside()
        return 0
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    os.environ |= environment
    if args == ["names"]:
        print(json.dumps(names(), indent=1))
        return 0
    command = ["unshare", "-Urn", sys.executable, __file__, "inside"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, timeout=300, check=True)
    figures = json.loads(done.stdout) | names()
    print(json.dumps({key: round(value, 3) for key, value in figures.items()}, indent=1))
    missed = [key for key, bound in BOUNDS.items() if figures[key] > bound]
    missed += [key for key, floor in FLOORS.items() if figures[key] < floor]
    for key in missed:
        print(f"MISSED {key}: {figures[key]:.3f}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
