from __future__ import annotations

import ipaddress
import struct
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.netns.host_addresses import _collect, host_addresses


def test_every_address_of_the_host_is_listed() -> None:
    found = host_addresses()
    assert "127.0.0.1" in found
    assert found == sorted({str(ipaddress.ip_address(one)) for one in found})


@given(st.lists(st.tuples(st.sampled_from([3, 20, 22]), st.binary(max_size=60)), max_size=4), st.binary(max_size=20))
def test_odd_messages_end(messages: list[tuple[int, bytes]], tail: bytes) -> None:
    data = b"".join(
        struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body + bytes(-len(body) % 4) for kind, body in messages
    )
    found: set[str] = set()
    with suppress(OSError, IndexError, struct.error):
        _collect(data + tail, found)
    for one in found:
        ipaddress.ip_address(one)
