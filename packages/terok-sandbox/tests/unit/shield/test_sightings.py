from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from terok_sandbox.audit import AuditLog, read_audit
from terok_sandbox.shield.nflog import BlockedPacket
from terok_sandbox.shield.resolver import Event
from terok_sandbox.shield.sightings import Sightings

V4 = ip_address("203.0.113.9")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shield.jsonl"


@pytest.fixture
def sightings(path: Path, clock: Clock) -> Sightings:
    return Sightings(AuditLog(path, container="c1"), clock=clock)


def rows(path: Path) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in row.items() if key not in ("time", "container", "prev", "hash")}
        for row in read_audit(path)
    ]


def test_a_blocked_address_is_named_and_repeats_are_counted(sightings: Sightings, path: Path, clock: Clock) -> None:
    sightings.name_address(V4, "www.example.com")
    for _ in range(5):
        sightings.record_packet(BlockedPacket(V4, 22, "tcp", "default"))
    clock.now = 31
    sightings.record_packet(BlockedPacket(V4, 22, "tcp", "default"))
    row = {"action": "blocked", "dest": "203.0.113.9", "port": 22, "proto": "tcp", "name": "www.example.com"}
    row |= {"reason": "no rule allows it", "tier": "default"}
    assert rows(path) == [row, row | {"suppressed": 4}]


def test_allowed_names_make_one_row_and_refused_ones_come_back(sightings: Sightings, path: Path, clock: Clock) -> None:
    for clock.now in (0, 31):
        sightings.record_event(Event("allowed", "www.example.com", "docs", "project_allow", "+ www.example.com"))
        sightings.record_event(Event("refused", "evil.example", "no rule allows it", "default"))
    assert [(row["action"], row["name"]) for row in rows(path)] == [
        ("allowed", "www.example.com"),
        ("refused", "evil.example"),
        ("refused", "evil.example"),
    ]


def test_a_flood_of_refusals_hides_nothing_that_is_allowed(sightings: Sightings, path: Path, clock: Clock) -> None:
    for port in range(1, 1000):
        sightings.record_packet(BlockedPacket(V4, port, "tcp", "default"))
    for port, reason in ((443, "tunnel"), (443, "tunnel"), (22, "tunnel of unknown content")):
        sightings.record_event(Event("allowed", "www.example.com", reason, "egress", port=port, proto="tcp"))
    late = Event("refused", "evil.example", "no rule allows it", "default")
    sightings.record_event(late)
    assert [row["port"] for row in rows(path) if row["action"] == "allowed"] == [443, 22]
    assert [row for row in rows(path) if row.get("name") == "evil.example"] == []
    clock.now = 1
    sightings.record_event(late)
    assert [row for row in rows(path) if row.get("name") == "evil.example"], "what the rate left out is no repetition"


def test_what_passed_is_another_row_when_it_is_refused(sightings: Sightings, path: Path) -> None:
    for layer in ("down", "down", "default"):
        sightings.record_packet(BlockedPacket(V4, 22, "tcp", layer))
    assert [row["action"] for row in rows(path)] == ["passed", "blocked"]


@pytest.mark.attack("RES-1")
def test_a_flood_is_bounded(sightings: Sightings, path: Path, clock: Clock) -> None:
    for port in range(10_000):
        clock.now += 0.0001
        sightings.record_packet(BlockedPacket(V4, port, "tcp", "default"))
    assert 100 <= len(rows(path)) <= 112
