from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.config import SandboxConfig
from terok_sandbox.gate import handlers, promotion, review_handlers, upkeep_handlers
from terok_sandbox.gate.backups import list_backups, prune_backups, restore_backup
from terok_sandbox.gate.errors import GateError, MirrorError, PolicyError, PromotionRefused
from terok_sandbox.gate.held import Search, find_held
from terok_sandbox.gate.inspect.objects import Cutter
from terok_sandbox.gate.mirror import GitGate
from terok_sandbox.gate.verdicts import read_verdicts
from terok_sandbox.vault.errors import VaultLocked
from terok_sandbox.vault.scrub import Patterns

if TYPE_CHECKING:
    from conftest import Repo, Serving


@pytest.fixture
def pushed(agent: Repo, gate: GitGate) -> str:
    agent.git("checkout", "-q", "-b", "feature")
    agent.commit("src/main.py", "print()\n", "Add a program\x1b[31m")
    tip = agent.commit(".envrc", "x\n", "Set up the shell")
    agent.git("push", "-q", "origin", "feature")
    return tip


def test_the_whole_way(pushed: str, agent: Repo, gate: GitGate, upstream: Repo) -> None:
    (work,) = promotion.new_work(gate)
    assert (work.branch, work.tip, work.commits, work.flags, work.state) == ("feature", pushed, 2, 1, "new")
    with pytest.raises(PromotionRefused, match="not reviewed"):
        promotion.promote(gate, "feature")
    seen = gate.review("feature")
    assert [finding.rule for finding in seen.report.flagged] == ["shell-environment"]
    promotion.record_review(gate, "feature", seen)
    assert promotion.new_work(gate)[0].state == "reviewed"
    with pytest.raises(PromotionRefused, match="1 findings"):
        promotion.promote(gate, "feature")
    assert gate.promote("feature", accept_flags=True) == "feature"
    assert upstream.git("rev-parse", "feature") == pushed
    assert promotion.new_work(gate) == []
    assert not gate.sync().pending
    assert read_verdicts(gate.path) == {}


def test_a_credential_of_the_vault_goes_nowhere(agent: Repo, gate: GitGate, upstream: Repo) -> None:
    key = "made-up-credential-0123456789"
    held = (Patterns([key]),)
    agent.git("checkout", "-q", "-b", "feature")
    coded = base64.b64encode(f"user:{key}".encode()).decode()
    for path, content, message in (
        ("a.bin", f"\0{key}", "One"),
        ("b", coded, "Two"),
        ("c", "c", f"Say {key}"),
        (key, "d", "Four"),
    ):
        agent.commit(path, content, message)
        agent.commit(path, "gone again", "Hide it")
        agent.git("push", "-q", "-f", "origin", "feature")
        promotion.record_review(gate, "feature", gate.review("feature"))
        with pytest.raises(PromotionRefused, match=f"vault is in ({path} in|the message of|the name of)"):
            promotion.promote(gate, "feature", accept_flags=True, held=held)
        agent.git("reset", "-q", "--hard", "HEAD~2")
    assert upstream.try_git("rev-parse", "-q", "--verify", "feature").returncode != 0
    agent.commit("d", "fine", "Four")
    agent.git("push", "-q", "-f", "origin", "feature")
    promotion.record_review(gate, "feature", gate.review("feature"))
    assert promotion.promote(gate, "feature", accept_flags=True, held=held) == "feature"


def test_a_locked_vault_stops_a_library_call_without_a_question(
    pushed: str, gate: GitGate, upstream: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SandboxConfig.load()
    config.db_path.parent.mkdir(parents=True)
    config.db_path.write_bytes(b"sealed")
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        raise VaultLocked("no passphrase was given")

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("terok_sandbox.vault.unlock.ask_passphrase", ask)
    promotion.record_review(gate, "feature", gate.review("feature"))
    with pytest.raises(VaultLocked) as refused:
        gate.promote("feature", accept_flags=True)
    assert (asked, refused.value.hint) == ([], "run `terok-sandbox vault unlock`")
    monkeypatch.setattr(review_handlers, "base_directory", lambda: gate.path.parent)
    with pytest.raises(VaultLocked):
        review_handlers.promote(scope="proj-1", branch="feature", accept_flags=True)
    assert asked == ["Vault passphrase: "]
    assert upstream.try_git("rev-parse", "-q", "--verify", "feature").returncode != 0


@given(st.data())
def test_a_search_in_pieces_finds_what_a_search_at_once_finds(data: st.DataObject) -> None:
    secrets = data.draw(st.lists(st.text("ab+\n", min_size=8, max_size=12), min_size=1, max_size=3))
    objects = data.draw(st.lists(st.lists(st.sampled_from(b"abc\n\0"), max_size=40).map(bytes), max_size=5))
    objects = [
        one + data.draw(st.sampled_from(secrets))[: data.draw(st.integers(0, 12))].encode() + one for one in objects
    ]
    patterns = [Patterns([secret]) for secret in secrets]
    output = b"".join(b"%040d blob %d\n%b\n" % (number, len(one), one) for number, one in enumerate(objects))
    search = Search(patterns)
    taken = [b""] * len(objects)

    def take(number: int, size: int, piece: bytes) -> None:
        assert size == len(objects[number])
        taken[number] += piece
        search.take(number, size, piece)

    cutter = Cutter(take)
    at = 0
    while at < len(output):
        step = data.draw(st.integers(1, 30))
        cutter.feed(output[at : at + step])
        at += step
    assert (taken, cutter.ended) == (objects, len(objects))
    wanted = [number for number, one in enumerate(objects) if any(each.finds(one) for each in patterns)]
    assert search.found == (wanted[0] if wanted else None)


@pytest.mark.attack("GIT-4")
def test_what_takes_pushes_decides_neither_the_upstream_nor_what_was_reviewed(pushed: str, gate: GitGate) -> None:
    promotion.reject(gate, "feature", "no")
    reviewed = {"schema": 1, "branches": {"feature": {"branch": "feature", "tip": pushed}}}
    for name in ("terok.json", "verdicts.json", "rejections.json"):
        (gate.path / name).write_text(json.dumps(reviewed | {"scope": "proj-1", "upstream": "https://evil.example/x"}))
    opened = GitGate.open("proj-1", base=gate.path.parent)
    assert opened.source == gate.source
    with pytest.raises(PromotionRefused, match="was rejected: no"):
        promotion.promote(opened, "feature")
    shutil.rmtree(gate.path)
    with pytest.raises(MirrorError, match="no mirror"):
        GitGate.open("proj-1", base=gate.path.parent)


def test_what_changed_is_refused(pushed: str, agent: Repo, gate: GitGate, upstream: Repo) -> None:
    promotion.record_review(gate, "feature", promotion.review(gate, "feature"))
    agent.commit("more")
    agent.git("push", "-q", "origin", "feature")
    with pytest.raises(PromotionRefused, match="changed since the review"):
        promotion.promote(gate, "feature", accept_flags=True)
    promotion.record_review(gate, "feature", promotion.review(gate, "feature"))
    with pytest.raises(PromotionRefused, match="checked out") as refused:
        promotion.promote(gate, "feature", to="main", accept_flags=True)
    assert "with --to" in (refused.value.hint or "")
    upstream.git("checkout", "-q", "-b", "aside")
    upstream.git("checkout", "-q", "main")
    upstream.commit("README", "the upstream moves on\n")
    upstream.git("checkout", "-q", "aside")
    with pytest.raises(PromotionRefused, match="has changed since the review"):
        promotion.promote(gate, "feature", to="main", accept_flags=True)
    gate.sync()
    promotion.record_review(gate, "feature", promotion.review(gate, "feature"))
    with pytest.raises(PromotionRefused, match="has commits that feature lacks"):
        promotion.promote(gate, "feature", to="main", accept_flags=True)
    for name in ("", "-x", "a..b", "a b", "refs/heads/x", "x.lock"):
        with pytest.raises(PromotionRefused):
            promotion.promote(gate, "feature", to=name or "/", accept_flags=True)
    assert upstream.git("branch", "--format=%(refname:short)").split() == ["aside", "main"]


def test_no_base_but_the_upstream(new_repo: Callable[..., Repo], tmp_path: Path, serving: Serving) -> None:
    empty = new_repo("empty", "--bare")
    gate = GitGate("proj-2", base=tmp_path / "gate", upstream=str(empty.path))
    gate.sync()
    with serving(gate.path) as url:
        agent = empty.clone(url, "work")
        agent.commit("evil", "rm -rf\n")
        agent.git("push", "-q", "origin", "HEAD:refs/heads/main")
        agent.commit("fine")
        agent.git("push", "-q", "origin", "HEAD:refs/heads/feature")
    seen = gate.review("feature")
    assert "+rm -rf" in seen.review.patch, "the promotion would send it"
    assert len(seen.review.commits) == 2


def test_only_what_was_shown_is_added(agent: Repo, gate: GitGate, upstream: Repo) -> None:
    upstream.git("checkout", "-q", "-b", "release", "HEAD~1")
    upstream.git("checkout", "-q", "main")
    gate.sync()
    agent.commit("a")
    agent.git("push", "-q", "origin", "HEAD:refs/heads/feature")
    promotion.record_review(gate, "feature", gate.review("feature"))
    with pytest.raises(PromotionRefused, match="that the review did not show"):
        gate.promote("feature", to="release")
    assert gate.promote("feature", to="new") == "new"


def test_a_patch_of_any_size_can_be_promoted_but_not_unseen(
    agent: Repo, gate: GitGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.commit("a", "x\n" * 2000)
    agent.git("push", "-q", "origin", "HEAD:refs/heads/feature")
    monkeypatch.setattr("terok_sandbox.gate.review.MAX_PATCH", 1000)
    seen = gate.review("feature")
    assert "too large to be shown" in seen.review.patch
    promotion.record_review(gate, "feature", seen)
    with pytest.raises(PromotionRefused, match="1 findings"):
        gate.promote("feature")
    assert gate.promote("feature", accept_flags=True) == "feature"


def test_many_upstream_branches(agent: Repo, gate: GitGate, upstream: Repo) -> None:
    tips = [upstream.git("commit-tree", "-m", str(number), "HEAD^{tree}") for number in range(3)]
    agent.commit("a", "some text\n")
    agent.git("push", "-q", "origin", "HEAD:refs/heads/feature")
    known = [*tips, *(f"{number:040x}" for number in range(60_000))]
    tip = gate.branch_heads()["feature"]
    with pytest.raises(GateError, match="bad object"):  # not: argument list too long
        find_held(gate.path, tip, known, (Patterns(["some text"]),))


def test_a_local_project_has_nowhere_to_go(tmp_path: Path, agent: Repo) -> None:
    gate = GitGate("local", base=tmp_path / "other", upstream=None)
    gate.sync()
    with pytest.raises(PromotionRefused, match="no upstream"):
        promotion.promote(gate, "main")


def test_a_rejection_reaches_the_agent(pushed: str, agent: Repo, gate: GitGate) -> None:
    promotion.reject(gate, "feature", "first")
    promotion.reject(gate, "feature", "use\x1b[2J tabs")
    with pytest.raises(PromotionRefused, match="was rejected"):
        promotion.promote(gate, "feature")
    promotion.record_review(gate, "feature", promotion.review(gate, "feature"))
    assert promotion.new_work(gate)[0].state == "rejected", "looking again does not undo it"
    agent.git("fetch", "-q", "origin", "refs/notes/*:refs/notes/*")
    assert "use" in agent.git("log", "-1", "--notes", "--format=%N")
    agent.commit("better")
    said = agent.try_git("push", "origin", "feature").stderr
    assert r"rejected feature at " in said
    assert r"use\x1b[2J tabs" in said
    for note in ("", " ", "x" * 5000):
        with pytest.raises(MirrorError, match="characters"):
            promotion.reject(gate, "feature", note)
    assert agent.try_git("push", "origin", ":refs/notes/commits").returncode != 0


def test_backups(agent: Repo, gate: GitGate) -> None:
    agent.git("checkout", "-q", "-b", "work")
    first = agent.commit("a")
    agent.git("push", "-q", "origin", "work")
    agent.git("commit", "-q", "--amend", "-m", "other")
    agent.git("push", "-q", "--force", "origin", "work")
    (backup,) = gate.backups()
    assert (backup.branch, backup.tip) == ("work", first)
    assert restore_backup(gate.path, backup.name) == "work"
    assert restore_backup(gate.path, backup.name, "copy") == "copy"
    assert gate.branch_heads()["work"] == gate.branch_heads()["copy"] == first
    assert len(list_backups(gate.path)) == 2
    with pytest.raises(MirrorError, match="no backup"):
        restore_backup(gate.path, "work/never")
    assert prune_backups(gate.path) == []
    assert len(prune_backups(gate.path, now=datetime.now(UTC) + timedelta(days=31))) == 2


def test_verbs(
    pushed: str, gate: GitGate, upstream: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in (handlers, review_handlers, upkeep_handlers):
        monkeypatch.setattr(module, "base_directory", lambda: gate.path.parent)
    for scope in ("proj-1", None):
        review_handlers.review(scope=scope)
        assert "new          2 commits  proj-1 feature  1 findings" in capsys.readouterr().out
    report = gate.path.parent / "out.sarif"
    review_handlers.review(scope="proj-1", branch="feature", sarif=str(report))
    out = capsys.readouterr().out
    assert r"Add a program\x1b[31m" in out
    assert "shell-environment: .envrc in" in out
    result = json.loads(report.read_text())["runs"][0]["results"][0]
    assert (result["ruleId"], result["level"]) == ("shell-environment", "warning")
    review_handlers.review(scope="proj-1", branch="feature", as_json=True)
    assert json.loads(capsys.readouterr().out)["flagged"][0]["path"] == ".envrc"
    review_handlers.reject(scope="proj-1", branch="feature", note="no")
    upkeep_handlers.policy(scope="proj-1", settings=["workflow=refuse"], exceptions=["secret:tests/*"])
    assert "refuse  workflow" in capsys.readouterr().out
    upkeep_handlers.policy(scope="proj-1", dropped=["secret:tests/*"], limits=["refs=7"], as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["exceptions"], shown["limits"]["refs"]) == ([], 7)
    for bad in ("refs", "refs=-1", "nothing=1"):
        with pytest.raises(PolicyError, match="not a whole number"):
            upkeep_handlers.policy(scope="proj-1", limits=[bad])
    with pytest.raises(PolicyError):
        upkeep_handlers.policy(scope="proj-1", settings=["workflow"])
    upkeep_handlers.access(scope="proj-1", credential="gh")
    assert "credential  gh" in capsys.readouterr().out
    gate.sync()
    upkeep_handlers.access(scope="proj-1", personal_ssh=True)
    assert "credential  gh" in capsys.readouterr().out, "a sync keeps what is known"
    upstream.git("commit", "-q", "--amend", "-m", "rewritten")
    gate.sync()
    upkeep_handlers.ops(scope="proj-1")
    upkeep_handlers.apply(scope="proj-1", branches=[])
    upkeep_handlers.backups(scope="proj-1")
    out = capsys.readouterr().out
    assert "pending  main: force_update" in out
    assert "applied  main, saved as main/" in out
    upkeep_handlers.restore(scope="proj-1", name=list_backups(gate.path)[0].name, to="old")
    upkeep_handlers.prune(scope="proj-1")
    assert "old" in gate.branch_heads()
