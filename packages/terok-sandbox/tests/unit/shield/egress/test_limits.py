"""How much a container may use one host."""

from __future__ import annotations

import pytest
from terok_sandbox.shield.egress.judge import HostLimits, HostUsage


def test_connections_are_limited_by_rate() -> None:
    meter = HostUsage(HostLimits(burst=2, per_second=1))
    assert [meter.refuse_connection("a", 0.0) for _ in range(3)] == [None, None, "too many connections to a"]
    assert meter.refuse_connection("b", 0.0) is None
    assert meter.refuse_connection("a", 1.0) is None
    assert meter.refuse_connection("a", 1.0) is not None


@pytest.mark.attack("NET-2")
def test_asking_for_other_hosts_does_not_refill_a_budget() -> None:
    meter = HostUsage(HostLimits(up=10), hosts=2)
    assert meter.count_bytes("a", 10, up=True)
    assert not meter.count_bytes("a", 1, up=True)
    for number in range(5_000):
        meter.refuse_connection(f"other{number}", 0.0)
    assert meter.refuse_connection("a", 9.0) == "the byte budget of a is used up"
    assert meter.count_bytes("b", 1, up=True)
    assert not meter.count_bytes("c", 1, up=True), "there is room for the bytes of two hosts"
