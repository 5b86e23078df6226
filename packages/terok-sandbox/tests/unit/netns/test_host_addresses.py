from __future__ import annotations

import ipaddress
import os
import struct
import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.netns.host_addresses import _collect, host_addresses


def test_every_address_of_the_host_is_listed() -> None:
    found = host_addresses()
    assert "127.0.0.1" in found
    assert "127.0.0.0/8" in found, "the table `local` is part of it"
    assert found == sorted({one if "/" in one else str(ipaddress.ip_address(one)) for one in found})
    assert all(ipaddress.ip_network(one) for one in found)


@pytest.mark.attack("NET-3")
def test_a_change_is_heard_of_at_once_also_in_the_table_local() -> None:
    script = """
import asyncio, subprocess
from terok_sandbox.netns import host_addresses
async def main():
    seen = host_addresses.address_changes()
    assert "192.0.2.7" not in await anext(seen)
    for words, expected in (
        ("link set lo up", "127.0.0.1"),
        ("addr add 192.0.2.7/32 dev lo", "192.0.2.7"),
        ("route add local 198.51.100.0/24 dev lo", "198.51.100.0/24"),
        ("addr add 2001:db8::7/128 dev lo", "2001:db8::7"),
    ):
        subprocess.run(["ip", *words.split()], check=True)
        async with asyncio.timeout(20):
            while expected not in (found := await anext(seen)):
                pass
    subprocess.run("ip route del local 198.51.100.0/24 dev lo".split(), check=True)
    async with asyncio.timeout(20):
        while "198.51.100.0/24" in await anext(seen):
            pass
    await seen.aclose()
asyncio.run(main())
"""
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    command = ["unshare", "-Urn", sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@given(
    st.lists(st.tuples(st.sampled_from([3, 20, 22, 24]), st.binary(max_size=60)), max_size=4), st.binary(max_size=20)
)
def test_odd_messages_end(messages: list[tuple[int, bytes]], tail: bytes) -> None:
    data = b"".join(
        struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body + bytes(-len(body) % 4) for kind, body in messages
    )
    found: set[str] = set()
    with suppress(OSError, IndexError, struct.error):
        _collect(data + tail, found)
    for one in found:
        ipaddress.ip_network(one)
