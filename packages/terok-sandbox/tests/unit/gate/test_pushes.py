"""Pushes as facts: what has landed is what the mirror says."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.gate.git_gate import GitGate
from terok_sandbox.gate.inspect.policy import Finding
from terok_sandbox.gate.pushes import MAX_FOUND, MAX_TOLD, PushReport, earlier_pushes
from terok_sandbox.gate.server import serve_gate
from terok_sandbox.values.facts import Push

from .conftest import Repo, Serving

OID, OTHER = "1" * 40, "2" * 40
REFS = st.text(st.characters(codec="utf-8"), max_size=30)


@given(st.booleans(), st.lists(st.tuples(st.sampled_from([OID, "0" * 40]), REFS), max_size=99), st.integers(), REFS)
def test_a_report_fits_into_a_pipe_and_arrives(accepted: bool, updates: list, findings: int, reason: str) -> None:
    found = tuple(Finding("secret", reason, reason, findings % 9 or None, OID) for _ in range(abs(findings) % 50))
    report = PushReport(accepted, tuple(updates), findings, reason, found)
    read = PushReport.from_bytes(data := report.to_bytes())
    assert read is not None and len(data) < 65536
    assert read.updates == tuple((new.strip("0"), ref) for new, ref in updates[:MAX_TOLD])
    assert (read.accepted, read.findings, read.found) == (accepted, findings, found[:MAX_FOUND])
    assert all(str(fact.ref).isprintable() and fact.reason.isprintable() for fact in read.facts("landed"))


@given(st.binary(max_size=80) | st.sampled_from([b"[]", b"[1,2,3,4,5]", b'[true,[["a"]],1,"",[]]', b'{"a":1}']))
def test_nothing_else_is_taken_for_a_report(data: bytes) -> None:
    report = PushReport.from_bytes(data)
    assert report is None or list(report.facts("landed")) or not report.updates


REPORTS = [
    (PushReport(True, ((OID, "refs/heads/a"),)), ("landed", OID)),
    (PushReport(True, ((OTHER, "refs/heads/a"),)), ("refused", OTHER)),
    (PushReport(True, ((OID, "refs/heads/packed"),)), ("landed", OID)),
    (PushReport(True, ((OID, "refs/heads/pack"),)), ("refused", OID)),
    (PushReport(True, (("", "refs/heads/gone"),)), ("landed", "")),
    (PushReport(True, (("", "refs/heads/a"),)), ("refused", "")),
    (PushReport(True, ((OID, "refs/heads/../../../etc/passwd"),)), ("refused", OID)),
    (PushReport(False, ((OID, "refs/heads/a"),), 1, "no"), ("refused", OID)),
]


@pytest.mark.parametrize(("report", "expected"), REPORTS)
def test_what_became_of_a_push(tmp_path: Path, report: PushReport, expected: tuple[str, str]) -> None:
    (tmp_path / "refs/heads").mkdir(parents=True)
    (tmp_path / "refs/heads/a").write_text(OID + "\n")
    (tmp_path / "packed-refs").write_text(f"# pack-refs with: sorted \n{OID} refs/heads/packed\n")
    (fact,) = report.outcome(tmp_path)
    assert (fact.state, fact.commit) == expected


def test_the_gate_tells_of_pushes_and_knows_them_again(
    upstream: Repo, gate: GitGate, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Push] = []
    rows: list[dict[str, Any]] = []
    serve = partial(serve_gate, tell=told.append, record=rows.append)
    monkeypatch.setattr("terok_sandbox.gate.host_server.serve_gate", serve)
    with serving(gate.path, who="task-1") as url:
        agent = upstream.clone(url, "agent")
        first = agent.commit("one", "1\n")
        agent.git("push", "-q", "origin", "HEAD:refs/heads/work")
        tip = agent.commit("two", "2\n")
        agent.git("push", "-q", "origin", "HEAD:refs/heads/work", "HEAD:refs/tags/v1")
        (agent.path / "link").symlink_to("../../../etc/passwd")
        agent.git("add", "link")
        agent.git("commit", "-q", "-m", "bad")
        assert agent.try_git("push", "-q", "origin", "HEAD:refs/heads/bad").returncode
        agent.git("push", "-q", "origin", ":refs/tags/v1")
    over = [(push.ref, push.state, push.commit) for push in told if push.over]
    bad = agent.git("rev-parse", "HEAD")
    assert over == [
        ("refs/heads/work", "landed", first),
        ("refs/heads/work", "landed", tip),
        ("refs/tags/v1", "landed", tip),
        ("refs/heads/bad", "refused", bad),
        ("refs/tags/v1", "landed", ""),
    ]
    refused = next(push for push in told if push.state == "refused")
    assert refused.findings == 1 and "symlink" in refused.reason
    assert [(row["ref"], row["verdict"], row["commit"]) for row in rows] == over
    (found,) = rows[3]["found"]
    assert (found["rule"], found["path"], found["commit"]) == ("symlink-escape", "link", bad)
    with suppress(FileNotFoundError):
        (gate.path / "logs/refs/heads/broken").write_bytes(b"\xff" * 9000)
    again = earlier_pushes(gate.path, "task-1", told[0].at)
    assert [(push.ref, push.state, push.commit) for push in again] == [("refs/heads/work", "landed", tip)]
    assert earlier_pushes(gate.path, "task-2", 0) == earlier_pushes(gate.path, "task-1", time.time() + 1) == []
