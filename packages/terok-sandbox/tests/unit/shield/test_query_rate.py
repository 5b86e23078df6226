from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.shield.dns import Intake, QueryRate


@pytest.mark.attack("ACC-1")
@given(st.lists(st.tuples(st.floats(0, 0.01), st.floats(0, 5)), max_size=200))
def test_a_share_of_a_core_and_no_more(turns: list[tuple[float, float]]) -> None:
    now = 0.0
    allowance = QueryRate(lambda: now, burst=1.0, share=0.1)
    spent = 0.0
    for seconds, idle in turns:
        spent += seconds
        now += allowance.spend(seconds) + idle
        assert spent <= 1.0 + 0.1 * now + 0.01, "a burst, the share, and the turn that uses it up"


@pytest.mark.attack("ACC-1")
async def test_a_flood_is_not_read_while_its_share_is_used_up() -> None:
    seen: list[bytes] = []

    def answer(wire: bytes, port: int, later: Callable[[bytes], None]) -> bytes | None:
        seen.append(wire)
        asyncio.get_running_loop().call_soon(later, wire + b" later")
        return wire if port else None

    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
    ):
        udp.bind(("127.0.0.1", 0))
        one.connect(udp.getsockname())
        for number in range(100):
            one.send(b"%d" % number)
        intake = Intake(udp, answer, QueryRate(lambda: 0.0, burst=1e-9, share=1e-6))
        for _ in range(20):
            await asyncio.sleep(0)
        assert 0 < len(seen) < 100, "one turn was taken"
        assert {one.recv(100) for _ in range(2 * len(seen))} == {*seen, *(wire + b" later" for wire in seen)}
        intake.close()
