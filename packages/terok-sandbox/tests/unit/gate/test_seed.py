from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from terok_sandbox.gate import seed
from terok_sandbox.gate.git_gate import GitGate
from terok_sandbox.gate.seed import refresh_seed, seed_workspace

if TYPE_CHECKING:
    from conftest import Repo


def refs(repo: Repo, place: Path) -> dict[str, str]:
    rows = repo.git("--git-dir", str(place), "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    return dict(row.split(" ") for row in rows)


def test_the_copy_follows_what_containers_see_and_holds_nothing_else(
    agent: Repo, gate: GitGate, upstream: Repo, tmp_path: Path
) -> None:
    base = tmp_path / "clone-cache"
    secret = agent.commit("regretted")
    agent.git("push", "-q", "origin", "HEAD:refs/heads/work")
    agent.git("reset", "-q", "--hard", "HEAD~1")
    agent.commit("work")
    agent.git("push", "-qf", "origin", "HEAD:refs/heads/work")
    copy = refresh_seed(gate.path, base)
    assert copy == base / "proj-1.git"
    seen = {name: oid for name, oid in refs(agent, gate.path).items() if not name.startswith("refs/terok/")}
    assert refs(agent, copy) == seen
    assert agent.try_git("--git-dir", str(copy), "cat-file", "-e", secret).returncode != 0, (
        "what was overwritten is not in it"
    )
    assert not (copy / "objects/info/alternates").exists()

    upstream.git("branch", "-m", "main", "trunk")
    upstream.commit("README", "new\n")
    gate.sync()
    gate.apply_pending_ops()
    before = copy.stat().st_ino
    assert refresh_seed(gate.path, base) == copy
    assert copy.stat().st_ino == before
    assert "refs/heads/main" not in refs(agent, copy)
    assert upstream.clone(copy, "from-copy").git("rev-parse", "HEAD") == upstream.git("rev-parse", "HEAD")


def test_a_damaged_or_fragmented_copy_is_made_anew(
    gate: GitGate, upstream: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = refresh_seed(gate.path, tmp_path / "cache")
    assert copy is not None
    (copy / "HEAD").write_text("damaged")
    assert refresh_seed(gate.path, tmp_path / "cache") == copy
    upstream.clone(copy, "again").git("fsck", "--full")
    monkeypatch.setattr(seed, "_MAX_PACKS", 0)
    before = copy.stat().st_ino
    assert refresh_seed(gate.path, tmp_path / "cache") == copy
    assert copy.stat().st_ino != before
    monkeypatch.setattr(seed, "run_git", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    assert refresh_seed(gate.path, tmp_path / "cache") is None, "a run goes on without"


def test_a_workspace_is_made_of_the_copy(agent: Repo, gate: GitGate, upstream: Repo, url: str, tmp_path: Path) -> None:
    upstream.git("tag", "v1")
    gate.sync()
    copy = refresh_seed(gate.path, tmp_path / "cache")
    assert copy is not None
    work = type(upstream)(tmp_path / "made/work", upstream.home)
    assert seed_workspace(copy, work.path, url)
    new = upstream.commit("README", "later\n")
    gate.sync()
    work.git("reset", "-q", "--hard")
    assert (work.path / "README").read_text() == "hello there\n"
    assert work.git("status", "--porcelain", "--branch") == "## main...origin/main"
    assert work.git("tag") == "v1"
    work.git("pull", "-q")
    assert work.git("rev-parse", "HEAD") == new
    work.git("fsck", "--full", "--strict")
    work.commit("mine")
    work.git("push", "-q", "origin", "HEAD:refs/heads/mine")
    assert not seed_workspace(copy, work.path, url), "there is something in it"
    (copy / "HEAD").unlink()
    assert not seed_workspace(copy, tmp_path / "other", url)
    assert list((tmp_path / "other").iterdir()) == []
