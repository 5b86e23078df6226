"""Default deny, seen from inside: other addresses, this host, its loopback, other containers, other resolvers."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import Shell, contacts, host_address

Listen = Callable[[str], tuple[int, Callable[[], int]]]


@pytest.fixture
def running(ready: Shell, base_image: str, container: str) -> str:
    """Give a supervised container of the plain base image that sleeps."""
    ready("terok-sandbox", "run", "-d", "--name", container, base_image, "--", "sleep", "600")
    return container


@pytest.fixture
def inside(ready: Shell, running: str) -> Callable[..., int]:
    """Run a shell command in the container and return its exit code."""

    def run(command: str, user: str = "dev") -> int:
        words = ["podman", "exec", *(["--user", user] if user == "0" else []), running]
        return ready(*words, "bash", "-c", command, code=None, timeout=30).code

    return run


@pytest.fixture
def inside_output(ready: Shell, running: str) -> Callable[..., str]:
    """Run a shell script in the container and return what it printed."""

    def run(script: str, user: str = "dev") -> str:
        words = ["podman", "exec", "-i", *(["--user", user] if user == "0" else []), running]
        return ready(*words, "bash", stdin=script, timeout=100).out

    return run


def tcp(address: str, port: int) -> str:
    return f"timeout 5 bash -c 'echo x > /dev/tcp/{address}/{port}'"


def udp(address: str, port: int) -> str:
    return f"for i in 1 2 3; do echo x > /dev/udp/{address}/{port}; done"


@pytest.fixture
def lab() -> Iterator[Callable[[], list[dict]]]:
    """Return a reader of the contacts that the laboratory network recorded since the test began."""
    before = len(contacts())
    yield lambda: [row for row in contacts(since=before) if row["to"].removeprefix("::ffff:") in (*ADDRESSES, "*")]


ADDRESSES = ("198.51.100.7", "198.51.100.9", "10.254.0.5", "169.254.169.254", "100.100.100.200", "2001:db8:1::10")


@pytest.mark.attack("ADDR-2")
@pytest.mark.attack("ADDR-4")
@pytest.mark.attack("NET-1")
def test_no_packet_reaches_an_address_that_is_not_allowed(
    ready: Shell, inside_output: Callable[..., str], lab: Callable[[], list[dict]]
) -> None:
    ready("timeout", "5", "bash", "-c", "echo x > /dev/tcp/198.51.100.7/80")
    assert [row["port"] for row in lab()] == [80], "the laboratory records what reaches it"
    tries = "\n".join(f"{tcp(address, port)}; echo $?" for address in ADDRESSES for port in (22, 53, 80, 443, 853))
    datagrams = "\n".join(udp(address, port) for address in ADDRESSES for port in (53, 443, 5353))
    for user in ("dev", "0"):
        codes = inside_output(f"{{ {tries}; }} 2>/dev/null", user).split()
        assert len(codes) == len(ADDRESSES) * 5
        assert set(codes) == {"1"}, "each was refused at once: neither connected nor timed out"
        inside_output(f"{{ {datagrams}; }} 2>/dev/null; true", user)
    assert [row["port"] for row in lab()] == [80], f"something got out: {lab()[1:]}"


@pytest.mark.attack("NET-3")
def test_this_host_is_not_reachable(inside: Callable[..., int], listener: Listen) -> None:
    for address in (host_address(), "127.0.0.1"):
        port, connections = listener(address)
        socket.create_connection((address, port), timeout=5).close()
        assert connections() == 1, "from the host it is reachable"
        for target in (address, "10.0.2.2", "169.254.1.1", "169.254.1.2", "host.containers.internal"):
            assert inside(tcp(target, port)) not in (0, 124)
            assert inside(tcp(target, port), "0") not in (0, 124)
        assert connections() == 1


@pytest.mark.attack("NET-4")
def test_another_container_is_not_reachable(
    ready: Shell, base_image: str, inside: Callable[..., int], running: str
) -> None:
    other = f"{running}-b"
    try:
        ready("terok-sandbox", "run", "-d", "--name", other, base_image, "--", "sleep", "600")
        addresses = ready("podman", "exec", other, "cat", "/proc/net/fib_trie").out
        own = {line.split()[-1] for line in addresses.splitlines() if "|--" in line}
        for address in sorted(own - {"0.0.0.0", "127.0.0.0"}):
            if not address.startswith("127."):
                assert inside(tcp(address, 9419)) != 0, f"the vault of {other} answers on {address}"
                assert inside(tcp(address, 9418)) != 0, f"the gate of {other} answers on {address}"
    finally:
        ready("terok-sandbox", "rm", other)


@pytest.mark.attack("DNS-1")
@pytest.mark.attack("DNS-4")
def test_names_that_are_not_allowed_are_refused_fast(
    ready: Shell, inside: Callable[..., int], running: str, lab: Callable[[], list[dict]]
) -> None:
    assert inside("timeout 7 getent hosts data.exfil.example.test") == 2
    assert inside("timeout 7 getent hosts metadata.google.internal") == 2
    state = Path(ready.environment["TEROK_ROOT"]) / "state/sandbox/containers" / running
    rows = [json.loads(line) for line in (state / "gateway/shield-audit.jsonl").read_text().splitlines()]
    assert any(row.get("name") == "data.exfil.example.test" for row in rows)
    assert lab() == []


NETWORK_TOOLS = """\
FROM {base}
RUN apt-get -qq update && apt-get -qq install -y --no-install-recommends nftables iproute2 >/dev/null
"""
CHANGES = ("nft flush ruleset", "nft add table inet own", "ip link set lo down", "ip route add 192.0.2.7 dev lo")


@pytest.fixture
def with_tools(ready: Shell, base_image: str) -> str:
    """Give an image that has `nft` and `ip`, in which root with NET_ADMIN can make every one of the changes."""
    image = "localhost/terok-it-network-tools:1"
    ready("podman", "build", "-q", "-t", image, "-", stdin=NETWORK_TOOLS.format(base=base_image), timeout=600)
    granted = ("podman", "run", "--rm", "--network", "none", "--user", "0", "--cap-add", "NET_ADMIN", image)
    for change in CHANGES:
        ready(*granted, "bash", "-c", f"ip link set lo up && {change}")
    return image


def test_root_inside_cannot_change_the_rules(ready: Shell, with_tools: str, container: str) -> None:
    ready("terok-sandbox", "run", "-d", "--name", container, with_tools, "--", "sleep", "600")
    inside = ("podman", "exec", "--user", "0", container, "bash", "-c")
    for change in CHANGES:
        refusal = ready(*inside, f"ip link set lo up 2>/dev/null; {change}", code=None, timeout=30)
        assert refusal.code not in (0, 126, 127), f"{change}: {refusal.text}"
        # The first is the capability's refusal; without sockets of netfilter `nft` does not even get that far.
        assert "Operation not permitted" in refusal.text or "Protocol not supported" in refusal.text, refusal.text
    capable = "grep -q 'CapEff:.*[1-9a-f]' /proc/self/status"
    assert ready("podman", "exec", container, "bash", "-c", capable, code=None).code == 1, "the agent has capabilities"
