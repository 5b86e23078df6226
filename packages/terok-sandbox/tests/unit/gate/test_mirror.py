from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.gate import layout
from terok_sandbox.gate.backups import list_backups, restore_backup
from terok_sandbox.gate.errors import MirrorError, RepoNotUnderstood, UpstreamUnreachable
from terok_sandbox.gate.git_gate import GitGate
from terok_sandbox.gate.layout import list_mirrors, reviews_path
from terok_sandbox.gate.plan import Divergence
from terok_sandbox.gate.review import record_review
from terok_sandbox.gate.review_marks import read_marks
from terok_sandbox.gate.source import scope_for
from terok_sandbox.gate.upstream import UpstreamRepository
from terok_sandbox.values.names import is_ref

if TYPE_CHECKING:
    from conftest import Repo


def push(repo: Repo, gate: GitGate, ref: str) -> None:
    repo.git("push", "-q", "--force", str(gate.path), f"HEAD:refs/heads/{ref}")


def test_a_new_mirror(upstream: Repo, tmp_path: Path) -> None:
    upstream.git("tag", "v1")
    upstream.git("branch", "feature/x")
    gate = GitGate("proj", base=tmp_path / "gate", upstream=str(upstream.path))
    result = gate.sync()
    assert (result.created, result.success, result.pending) == (True, True, ())
    assert set(result.applied) == {"main", "feature/x"}
    assert gate.branch_heads() == dict.fromkeys(("main", "feature/x"), upstream.git("rev-parse", "HEAD"))
    assert gate._refs().under("refs/tags/").keys() == {"v1"}
    assert [file.name for file in (gate.path / "hooks").iterdir()] == ["pre-receive"]
    assert gate.path.stat().st_mode & 0o077 == 0
    assert [record.upstream for record in list_mirrors(tmp_path / "gate", print)] == [str(upstream.path)]
    again = gate.sync()
    assert (again.created, again.applied, again.errors) == (False, (), ())


def test_no_scope_shares_a_file_with_another(upstream: Repo, tmp_path: Path) -> None:
    names = ("x", "x.verdicts", "x.reviews", "x.lock", "x.git")
    gates = [GitGate(name, base=tmp_path / "gate", upstream=str(upstream.path)) for name in names]
    for gate in gates:
        gate.sync()
    for gate in gates:
        assert read_marks(gate.path) == {}
        record_review(gate.path, "main", gate.review("main"))
        assert GitGate.open(gate.scope, base=tmp_path / "gate").source == gate.source
    marks = [read_marks(gate.path)["main"].tip for gate in gates]
    assert marks == [gate.branch_heads()["main"] for gate in gates]
    assert {record.scope for record in list_mirrors(tmp_path / "gate", print)} == set(names)


def test_decisions_of_an_earlier_version_are_read(upstream: Repo, gate: GitGate) -> None:
    record_review(gate.path, "main", gate.review("main"))
    (reviews_path(gate.path) / "marks.json").rename(gate.path.with_suffix(".verdicts.json"))
    assert read_marks(gate.path)["main"].tip == upstream.git("rev-parse", "main")


def test_only_forward_by_itself(upstream: Repo, gate: GitGate) -> None:
    new = upstream.commit("README", "third\n")
    assert gate.sync().applied == ("main",)
    assert gate.branch_heads()["main"] == new
    upstream.git("reset", "-q", "--hard", "HEAD~1")
    rewritten = upstream.commit("README", "another third\n")
    (op,) = gate.sync().pending
    assert (op.reason, op.lossless, op.gate_tip, op.upstream_tip) == ("upstream_rewrite", True, new, rewritten)
    assert gate.branch_heads()["main"] == new
    assert gate.pending_ops() == (op,)
    assert gate.sync().pending == (op,), "the proof outlives further syncs"
    done = gate.apply_pending_ops()
    assert (done.success, done.applied) == (True, ("main",))
    assert gate._refs().refs[done.backups[0]] == new
    assert gate.branch_heads()["main"] == rewritten
    assert not gate.sync().pending
    assert not gate._refs().under("refs/terok/attic/")


def test_work_of_an_agent_is_not_overwritten(upstream: Repo, gate: GitGate) -> None:
    agent = upstream.clone(gate.path, "agent")
    work = agent.commit("work")
    push(agent, gate, "main")
    assert not gate.sync().pending, "the gate may be ahead"
    upstream.commit("README", "moved on\n")
    (op,) = gate.sync().pending
    assert (op.reason, op.lossless, op.gate_only_commits) == ("diverged", False, 1)
    assert gate.branch_heads()["main"] == work
    assert gate.compare_vs_upstream("main") == Divergence(1, 1, related=True)
    push(agent, gate, "own")
    assert gate.compare_vs_upstream("own") is None
    with pytest.raises(MirrorError, match="no branch"):
        gate.compare_vs_upstream("none")


def test_deleted_upstream(upstream: Repo, gate: GitGate) -> None:
    upstream.git("branch", "gone")
    gate.sync()
    upstream.git("branch", "-D", "gone")
    (op,) = gate.sync().pending
    assert (op.kind, op.reason, op.lossless) == ("delete", "upstream_delete", True)
    assert gate.apply_pending_ops(["other"]).applied == ()
    assert gate.apply_pending_ops(["gone"]).success
    assert set(gate.branch_heads()) == {"main"}
    upstream.git("branch", "gone/below")
    assert gate.sync().applied == ("gone/below",)


def test_a_branch_both_made(upstream: Repo, gate: GitGate, new_repo: Callable[..., Repo]) -> None:
    stranger = new_repo("stranger")
    stranger.commit("x")
    push(stranger, gate, "shared")
    assert gate.sync().gate_only_branches == ("shared",)
    upstream.git("branch", "shared")
    (op,) = gate.sync().pending
    assert (op.reason, op.lossless) == ("unknown_provenance", False)
    upstream.git("branch", "-m", "shared", "shared/below")
    result = gate.sync()
    assert any("in its way" in note for note in result.notes)


def test_tags_that_move_or_go_wait_for_a_person(upstream: Repo, gate: GitGate) -> None:
    upstream.git("tag", "v1", "HEAD~1")
    upstream.git("tag", "-a", "-m", "x", "v2", "HEAD")
    upstream.git("tag", "v0", "HEAD")
    gate.sync()
    old, annotated, new = (upstream.git("rev-parse", name) for name in ("HEAD~1", "v2", "HEAD"))
    upstream.git("tag", "-f", "v1", "HEAD")
    upstream.git("tag", "-d", "v2")
    moved, gone = gate.sync().pending
    assert (moved.name, moved.kind, moved.reason) == ("refs/tags/v1", "force_update", "upstream_rewrite")
    assert (moved.gate_tip, moved.upstream_tip, moved.lossless, moved.gate_only_commits) == (old, new, True, 0)
    assert (gone.name, gone.kind, gone.reason, gone.lossless) == ("refs/tags/v2", "delete", "upstream_delete", True)
    assert gate.sync().pending == gate.pending_ops() == (moved, gone), "the proof outlives further syncs"
    assert gate._refs().refs["refs/tags/v1"] == old
    done = gate.apply_pending_ops(["refs/tags/v1", "refs/tags/v2"])
    assert done.success
    refs = gate._refs()
    assert (refs.under("refs/tags/"), refs.under("refs/terok/attic-tags/")) == ({"v0": new, "v1": new}, {})
    assert [refs.refs[saved] for saved in done.backups] == [old, annotated]
    saved = next(backup for backup in list_backups(gate.path) if backup.branch == "refs/tags/v2")
    assert restore_backup(gate.path, saved.name) == "refs/tags/v2"
    assert gate._refs().refs["refs/tags/v2"] == annotated
    assert gate.sync().pending == (), "what was settled stays so"


def test_a_tag_both_made(upstream: Repo, gate: GitGate) -> None:
    agent = upstream.clone(gate.path, "agent")
    agent.commit("work")
    agent.git("push", "-q", str(gate.path), "HEAD:refs/tags/v9")
    upstream.git("tag", "v9")
    (op,) = gate.sync().pending
    assert (op.reason, op.lossless, op.gate_only_commits) == ("unknown_provenance", False, 1)


def test_the_default_branch_is_followed(upstream: Repo, gate: GitGate) -> None:
    upstream.git("branch", "-m", "main", "trunk")
    gate.sync()
    assert (gate.path / "HEAD").read_text() == "ref: refs/heads/trunk\n"
    chosen = GitGate("proj-1", base=gate.path.parent, upstream=str(upstream.path), default_branch="main")
    chosen.sync()
    assert (gate.path / "HEAD").read_text() == "ref: refs/heads/main\n"
    assert GitGate.open("proj-1", base=gate.path.parent).default_branch == "main"


@pytest.mark.parametrize("options", [(), ("--bare",), ("--object-format=sha256",)], ids=["empty", "bare", "sha256"])
def test_unusual_upstreams(new_repo: Callable[..., Repo], tmp_path: Path, options: tuple[str, ...]) -> None:
    repo = new_repo("ein Répo 'x' $(y)", *options)
    gate = GitGate(scope_for(str(repo.path)), base=tmp_path / "gate", upstream=str(repo.path))
    assert gate.sync().success
    if "--bare" in options:
        tree = repo.git("hash-object", "-t", "tree", "-w", "--stdin", input="")
        repo.git("update-ref", "refs/heads/main", repo.git("commit-tree", "-m", "x", tree))
    else:
        repo.commit("a")
    assert gate.sync().applied == ("main",)


def test_submodules_are_not_followed(upstream: Repo, gate: GitGate, new_repo: Callable[..., Repo]) -> None:
    inner = new_repo("inner")
    inner.commit("x")
    upstream.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.path), "sub")
    upstream.git("commit", "-q", "-m", "submodule")
    assert gate.sync().success
    assert not (gate.path / "modules").exists()


def test_old_flaws_of_an_upstream_are_tolerated(upstream: Repo, gate: GitGate) -> None:
    raw = upstream.git("cat-file", "commit", "HEAD").replace("+0000", "+051800")
    oid = upstream.git("hash-object", "-t", "commit", "--literally", "-w", "--stdin", input=raw + "\n")
    upstream.git("update-ref", "refs/heads/old", oid)
    assert gate.sync().applied == ("old",)


def test_no_upstream(tmp_path: Path) -> None:
    gate = GitGate("local", base=tmp_path, upstream=None, default_branch="trunk")
    result = gate.sync()
    assert (result.created, result.success, result.upstream_url) == (True, True, None)
    assert (gate.path / "HEAD").read_text() == "ref: refs/heads/trunk\n"
    config = subprocess.run(
        ["git", "-C", str(gate.path), "config", "--list"], capture_output=True, text=True, check=True
    ).stdout
    assert "transfer.hiderefs=refs/terok" in config
    assert GitGate.open("local", base=tmp_path).source is None


def test_an_upstream_that_goes_away(upstream: Repo, gate: GitGate) -> None:
    before = gate._refs().refs
    upstream.path.rename(upstream.path.with_name("moved"))
    with pytest.raises((UpstreamUnreachable, RepoNotUnderstood)) as error:
        gate.sync()
    assert error.value.hint
    assert gate._refs().refs == before


def test_many_packs_are_put_together_and_nothing_is_lost(
    upstream: Repo, agent: Repo, gate: GitGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for number in range(4):
        made.append(agent.commit("a", str(number)))
        agent.git("push", "-qf", "origin", "HEAD:refs/heads/work")
        agent.git("reset", "-q", "--hard", "HEAD~1")
    agent.git("push", "-q", "origin", ":refs/heads/work")
    loose = agent.git("hash-object", "-w", "--stdin", input="nobody refers to it")
    shutil.copytree(agent.path / ".git/objects" / loose[:2], gate.path / "objects" / loose[:2], dirs_exist_ok=True)
    for number in range(4):
        upstream.commit("README", f"{number} of many\n")
        gate.sync()
    assert len(list(gate.path.glob("objects/pack/*.pack"))) > 4, "one more with each sync"
    monkeypatch.setattr(layout, "MANY_PACKS", 2)
    assert gate.sync().notes == ()
    assert len(list(gate.path.glob("objects/pack/*.pack"))) <= 2
    for oid in (*made, loose):
        agent.git("--git-dir", str(gate.path), "cat-file", "-e", oid)
    assert len(list_backups(gate.path)) == 4
    agent.git("--git-dir", str(gate.path), "fsck", "--full", "--strict")


def test_a_shallow_upstream_has_to_be_whole(upstream: Repo, tmp_path: Path) -> None:
    upstream.git("tag", "tree", "HEAD^{tree}")
    shallow = upstream.clone(f"file://{upstream.path}", "shallow", "--depth=1")
    gate = GitGate("proj", base=tmp_path / "gate", upstream=str(shallow.path))
    with pytest.raises(MirrorError, match="is not complete") as refused:
        gate.sync()
    assert "--unshallow" in (refused.value.hint or "")
    assert gate._refs().refs == {}
    shallow.git("fetch", "-q", "--unshallow", "--tags")
    assert gate.sync().applied == ("main",)
    assert "tree" in gate._refs().under("refs/tags/")


def test_nothing_half_made(upstream: Repo, tmp_path: Path) -> None:
    (upstream.path / ".git/HEAD").write_text("broken")
    gate = GitGate("proj", base=tmp_path / "gate", upstream=str(upstream.path))
    with pytest.raises(UpstreamUnreachable):
        gate.sync()
    assert not gate.path.exists()
    with pytest.raises(MirrorError, match="no mirror"):
        gate.branch_heads()


def test_a_crash_between_proof_and_fetch(upstream: Repo, gate: GitGate, monkeypatch: pytest.MonkeyPatch) -> None:
    old = gate.branch_heads()["main"]
    upstream.git("commit", "-q", "--amend", "-m", "rewritten")
    monkeypatch.setattr("terok_sandbox.gate.upstream.UpstreamRepository.fetch_into", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        gate.sync()
    monkeypatch.undo()
    (op,) = gate.sync().pending
    assert (op.reason, op.gate_tip, op.lossless) == ("upstream_rewrite", old, True)


def test_syncs_take_turns(upstream: Repo, tmp_path: Path) -> None:
    def one(_: int) -> bool:
        return GitGate("proj", base=tmp_path / "gate", upstream=str(upstream.path)).sync().success

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(one, range(6)))


def test_a_foreign_hook_is_removed(gate: GitGate) -> None:
    (gate.path / "hooks/post-receive").write_text("#!/bin/sh\n")
    (gate.path / "hooks/pre-receive").write_text("#!/bin/sh\nexit 0\n")
    gate.sync()
    assert [file.name for file in (gate.path / "hooks").iterdir()] == ["pre-receive"]
    assert "terok gate" in (gate.path / "hooks/pre-receive").read_text()
    assert os.access(gate.path / "hooks/pre-receive", os.X_OK)


def test_what_cut_pushes_left_is_swept(gate: GitGate) -> None:
    for name, age in (("old", 3600), ("busy", 3600), ("new", 0)):
        quarantine = gate.path / f"objects/tmp_objdir-incoming-{name}"
        (quarantine / "pack").mkdir(parents=True)
        (quarantine / "pack/tmp_pack").touch()
        for entry in (quarantine / "pack", quarantine, *([quarantine / "pack/tmp_pack"] if name == "old" else [])):
            os.utime(entry, (time.time() - age,) * 2)
    (gate.path / "refs/heads/a").mkdir()
    stale, fresh = gate.path / "refs/heads/a/b.lock", gate.path / "packed-refs.lock"
    for lock, age in ((stale, 3600), (fresh, 0)):
        lock.touch()
        os.utime(lock, (time.time() - age,) * 2)
    gate.sync()
    assert (stale.exists(), fresh.exists()) == (False, True)
    assert {left.name.rpartition("-")[2] for left in gate.path.glob("objects/tmp_objdir*")} == {"busy", "new"}


def test_bad_scopes_and_records(gate: GitGate) -> None:
    for scope in ("", "../x", "A", "a/b", "-x", "a" * 70):
        with pytest.raises(MirrorError):
            GitGate(scope, base=gate.path.parent, upstream=None)
    gate.path.with_suffix(".json").write_text(json.dumps({"schema": 99}))
    with pytest.raises(MirrorError, match="another version"):
        GitGate.open("proj-1", base=gate.path.parent)
    gate.path.with_suffix(".json").write_text("{")
    with pytest.raises(MirrorError, match="cannot be read"):
        GitGate.open("proj-1", base=gate.path.parent)
    gate.path.with_suffix(".json").unlink()
    told: list[MirrorError] = []
    assert list_mirrors(gate.path.parent, told.append) == []
    assert [("gate add" in (one.hint or ""), str(gate.path) in one.message) for one in told] == [(True, True)]


def test_many_refs(upstream: Repo, gate: GitGate, tmp_path: Path) -> None:
    tip = upstream.git("rev-parse", "HEAD")
    upstream.git("update-ref", "--stdin", input="".join(f"create refs/heads/n/{n} {tip}\n" for n in range(3000)))
    (gate.path / "refs/heads/n").mkdir(parents=True)
    (gate.path / "refs/heads/n/7.lock").touch()
    result = gate.sync()
    assert [error.split(":")[0] for error in result.errors] == ["refs/heads/n/7"], "one in use does not hold up 2,999"
    (gate.path / "refs/heads/n/7.lock").unlink()
    assert gate.sync().success
    assert len(gate.branch_heads()) == 3001
    other = GitGate("other", base=tmp_path / "gate", upstream=str(upstream.path))
    assert len(other.sync().applied) == 3001
    assert not (other.path / "refs/heads/n").exists(), "one file for all"
    subprocess.run(["git", "-C", str(other.path), "fsck", "--full", "--strict"], check=True, capture_output=True)
    assert upstream.clone(other.path, "clone").git("branch", "-r").count("origin/n/") == 3000


PARTS = st.sampled_from(
    ["a", "/", ".", "..", "@{", "@", "{", ".lock", "~", "^", ":", "?", "*", "[", "\\", " ", "\x7f", "é"]
)


@given(st.lists(PARTS | st.characters(codec="utf-8", min_codepoint=1), max_size=4).map("".join))
def test_names_of_refs_are_judged_as_git_does(name: str) -> None:
    known = subprocess.run(["git", "check-ref-format", f"refs/{name}"], check=False).returncode == 0
    assert is_ref(f"refs/{name}") == known


def test_an_upstream_that_moves_while_it_is_fetched(
    upstream: Repo, gate: GitGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.commit("README", "soon gone\n")
    real = UpstreamRepository.fetch_into

    def rewritten_first(self: UpstreamRepository, *args: Any, **kwargs: Any) -> None:
        monkeypatch.undo()
        upstream.commit("README", "after all\n")
        upstream.git("reset", "-q", "--soft", "HEAD~2")
        upstream.git("commit", "-q", "-m", "rewritten")
        upstream.git("reflog", "expire", "--expire=now", "--all")
        upstream.git("prune", "--expire=now")
        real(self, *args, **kwargs)

    monkeypatch.setattr(UpstreamRepository, "fetch_into", rewritten_first)
    assert gate.sync().applied == ("main",)
    assert gate.branch_heads()["main"] == upstream.git("rev-parse", "HEAD")
