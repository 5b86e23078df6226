from __future__ import annotations

from dataclasses import replace

import pytest
from terok.demo.checks import judge
from terok.demo.observed import DeliveredCommit, KeySearch, Observed, Refusal, SearchedPlace, UpstreamTraffic
from terok.demo.processes import Process

PROCESS = Process(7, 1001, 1000, 0, 0x800405FB, b"agent\0", b"")
PLACE = SearchedPlace("environments of processes", 2, 900, 0, 1)
DELIVERY = DeliveredCommit("terok/1", "a" * 40, "Demo <demo@x>", "Correct the greeting", "-Helo\n+Hello\n")
GOOD = Observed(
    agent="demo",
    exit_code=0,
    seconds=2.0,
    processes=(PROCESS,),
    key=KeySearch((PLACE, replace(PLACE, name="file system", stand_in_hits=0))),
    upstream=UpstreamTraffic(6, 6, 0),
    connection=Refusal("192.0.2.1:443", "not connected", "not connected\n", {"action": "blocked"}),
    name=Refusal("example.com", "not resolved", "not resolved\n", {"action": "refused"}),
    delivery=DELIVERY,
    source_before={"main": "b" * 40},
    source_after={"main": "b" * 40},
)


def failed(observed: Observed) -> list[str]:
    return [check.title for check in judge(observed) if not check.held]


def test_everything_holds() -> None:
    assert failed(GOOD) == []


@pytest.mark.parametrize(
    ("change", "titles"),
    [
        ({"processes": ()}, ["user", "capabilities"]),
        ({"processes": (PROCESS, replace(PROCESS, uid=0))}, ["user"]),
        ({"processes": (replace(PROCESS, uid=None),)}, ["user"]),
        ({"processes": (replace(PROCESS, host_uid=0),)}, ["user"]),
        ({"processes": (replace(PROCESS, cap_effective=1),)}, ["capabilities"]),
        ({"processes": (replace(PROCESS, cap_bounding=1 << 12),)}, ["capabilities"]),
        ({"key": KeySearch((PLACE, replace(PLACE, key_hits=1)))}, ["real key inside"]),
        ({"key": KeySearch((replace(PLACE, stand_in_hits=0),))}, ["real key inside"]),
        ({"key": KeySearch((PLACE, replace(PLACE, bytes_seen=0)))}, ["real key inside"]),
        ({"key": KeySearch((PLACE,), unreadable=1)}, ["real key inside"]),
        ({"key": KeySearch()}, ["real key inside"]),
        ({"upstream": UpstreamTraffic(6, 0, 0)}, ["real key upstream"]),
        ({"upstream": UpstreamTraffic(6, 5, 1)}, ["real key upstream"]),
        ({"connection": replace(GOOD.connection, row=None)}, ["connection refused"]),
        ({"connection": replace(GOOD.connection, agent_saw="connected")}, ["connection refused"]),
        ({"name": replace(GOOD.name, row=None)}, ["name refused"]),
        ({"name": replace(GOOD.name, agent_saw="")}, ["name refused"]),
        ({"delivery": None}, ["commit in the gate"]),
        ({"delivery": replace(DELIVERY, patch="\n")}, ["commit in the gate"]),
        ({"source_after": {"main": "c" * 40}}, ["your repository"]),
        ({"source_before": {}, "source_after": {}}, ["your repository"]),
        ({"exit_code": 1}, ["agent"]),
        ({"exit_code": None}, ["agent"]),
    ],
)
def test_each_failure_is_seen_and_only_it(change: dict[str, object], titles: list[str]) -> None:
    assert failed(replace(GOOD, **change)) == titles


def test_an_address_that_the_container_has_too_needs_no_audit_row_but_still_nothing_may_arrive() -> None:
    own = replace(GOOD.connection, row=None, own=True)
    assert failed(replace(GOOD, connection=own)) == []
    assert failed(replace(GOOD, connection=replace(own, arrived=1))) == ["connection refused"]


def test_against_a_live_provider_the_audit_rows_are_the_evidence() -> None:
    assert failed(replace(GOOD, connection=replace(GOOD.connection, agent_saw=None))) == []


def test_what_a_container_chose_is_made_safe() -> None:
    row = {"action": "refused", "name": "\x1b[2Jevil\n.example"}
    check = next(c for c in judge(replace(GOOD, name=replace(GOOD.name, row=row))) if c.title == "name refused")
    assert "\x1b" not in "".join(check.details)
    assert "\n" not in check.details[0]
