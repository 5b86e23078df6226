from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from terok.demo import measure, scene
from terok.demo.observed import UpstreamTraffic
from terok.demo.scene import DemoTarget
from terok.stub import Recorder, RequestRecord
from terok_sandbox.audit import AuditLog


@pytest.fixture
def target() -> Iterator[DemoTarget]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield DemoTarget(listener)


def test_refusals_are_taken_from_the_audit_and_from_what_the_agent_said(tmp_path: Path, target: DemoTarget) -> None:
    log = AuditLog(tmp_path / "shield.jsonl", container="c")
    log.append("blocked", dest="127.0.0.1", port=target.port)
    log.append("refused", name=scene.REFUSED_NAME)
    log.close()
    seen = Recorder()
    seen.outputs[scene.CONNECT] = "not connected\n"
    connection, name = measure._refusals(tmp_path / "shield.jsonl", seen, target, own=False)
    assert (connection.agent_saw, connection.row and connection.row["port"]) == ("not connected\n", target.port)
    assert connection.arrived == 0
    assert name.row is not None
    assert scene.NOT_RESOLVED not in (name.agent_saw or "")


def test_rows_that_do_not_come_are_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: DemoTarget
) -> None:
    monkeypatch.setattr(measure, "AUDIT_SECONDS", 0.05)
    socket.create_connection(("127.0.0.1", target.port)).close()
    connection, name = measure._refusals(tmp_path / "missing.jsonl", None, target, own=False)
    assert (connection.row, connection.agent_saw, name.row) == (None, None, None)
    assert connection.arrived == 1


def test_traffic_is_counted_by_the_stub_or_by_the_audit(tmp_path: Path) -> None:
    seen = Recorder()
    seen.add(RequestRecord("HEAD", "/", None, "none", 0, 200))
    seen.add(RequestRecord("POST", "/v1/messages", "x-api-key", "expected", 10, 200))
    seen.add(RequestRecord("POST", "/v1/messages", "x-api-key", "other", 10, 401))
    assert measure._traffic(None, seen) == UpstreamTraffic(3, 1, 1)
    log = AuditLog(tmp_path / "vault.jsonl")
    log.append("response", status=200)
    log.append("response", status=529)
    log.close()
    assert measure._traffic(tmp_path / "vault.jsonl", None) == UpstreamTraffic(2, 1, 0, live=True)
