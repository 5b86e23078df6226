from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from terok_sandbox.gate import handlers
from terok_sandbox.gate.disk import disk_use, users_of
from terok_sandbox.gate.errors import GateError, MirrorError
from terok_sandbox.gate.git_gate import GitGate
from terok_sandbox.gate.inspect.policy import InspectionPolicy, save_policy

if TYPE_CHECKING:
    from conftest import Repo, Serving


@pytest.fixture
def verbs(gate: GitGate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "base_directory", lambda: gate.path.parent)


def test_what_nothing_reaches_is_given_back(
    agent: Repo, gate: GitGate, verbs: None, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = agent.commit("kept")
    gone = agent.commit("gone", os.urandom(3_000_000))
    agent.git("push", "-q", "origin", f"{kept}:refs/heads/kept", f"{gone}:refs/heads/gone")
    agent.git("push", "-q", "origin", ":gone")
    used = disk_use(gate.path)
    assert used > 3_000_000
    handlers.gc(scope="proj-1")
    assert disk_use(gate.path) > 3_000_000, "a saved tip keeps it"
    handlers.gc(scope="proj-1", days=0)
    assert disk_use(gate.path) > 3_000_000, "it may belong to a push under way"
    past = time.time() - 7200
    for file in gate.path.rglob("objects/*/*"):
        os.utime(file, (past, past))
    capsys.readouterr()
    handlers.gc(scope="proj-1", days=0, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["bytes_after"] == disk_use(gate.path) < 1_000_000 < told["bytes_before"]
    assert gate.branch_heads()["kept"] == kept
    subprocess.run(["git", "-C", str(gate.path), "fsck", "--full", "--strict"], check=True, capture_output=True)


def test_a_mirror_is_removed_without_losing_work(
    agent: Repo, gate: GitGate, verbs: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path / "root"))
    agent.commit("a")
    agent.git("push", "-q", "origin", "HEAD:refs/heads/work")
    with pytest.raises(GateError, match="has work that the upstream lacks: work"):
        handlers.remove(scope="proj-1")
    sidecars = tmp_path / "root/data/sandbox/sidecar"
    odd = tmp_path / "odd.json"
    odd.write_text("{")
    assert users_of(gate.path, [odd]) == ["odd (its sidecar cannot be read)"]
    assert not sidecars.exists()
    handlers.remove(scope="proj-1", force=True)
    assert not [entry for entry in gate.path.parent.iterdir() if "proj-1" in entry.name]
    with pytest.raises(MirrorError, match="no mirror"):
        handlers.remove(scope="proj-1")
    gate.sync()
    handlers.remove(scope="proj-1")


@pytest.mark.attack("RES-1")
def test_a_mirror_has_a_quota(agent: Repo, gate: GitGate, serving: Serving) -> None:
    """RES-1: an agent that pushes again and again does not fill the disk."""
    agent.commit("a", os.urandom(300_000))
    save_policy(gate.path, InspectionPolicy().changed({}, limits={"mirror_bytes": disk_use(gate.path) + 500_000}))
    with serving(gate.path) as url:
        agent.git("push", "-q", url, "HEAD:refs/heads/a")
        agent.commit("b", os.urandom(300_000))
        assert agent.try_git("push", url, "HEAD:refs/heads/b").returncode != 0, "the pack is larger than what is left"
        agent.commit("c", os.urandom(3_000_000))
        assert agent.try_git("push", url, "HEAD:refs/heads/c").returncode != 0
        assert set(gate.branch_heads()) == {"main", "a"}
        save_policy(gate.path, InspectionPolicy().changed({}, limits={"mirror_bytes": 1000}))
        assert "'terok-sandbox gate gc proj'" in agent.try_git("push", url, "HEAD:refs/heads/d").stderr
        agent.git("fetch", "-q", url)
