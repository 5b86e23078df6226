from __future__ import annotations

import base64
import gzip
import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.config import SandboxConfig
from terok_sandbox.gate import handlers, promotion, review_handlers
from terok_sandbox.gate.backups import list_backups, prune_backups, restore_backup
from terok_sandbox.gate.credentials import HttpsLogin, access_for
from terok_sandbox.gate.errors import (
    GateError,
    InspectionPolicyError,
    MirrorError,
    NoCredential,
    PromotionRefused,
)
from terok_sandbox.gate.git_gate import GitGate
from terok_sandbox.gate.inspect.objects import ObjectParser
from terok_sandbox.gate.layout import MirrorRecord, create_mirror, write_record
from terok_sandbox.gate.new_work import new_work
from terok_sandbox.gate.review import record_review
from terok_sandbox.gate.review_marks import read_marks
from terok_sandbox.gate.secret_encodings import Dump, narrow
from terok_sandbox.gate.secret_search import SecretSearch, find_secret
from terok_sandbox.vault.errors import VaultLocked
from terok_sandbox.vault.scrub import Patterns
from terok_sandbox.vault.store import CredentialDB
from terok_util import ensure_dir

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
    (work,) = new_work(gate.path)
    assert (work.branch, work.tip, work.commits, work.flags, work.state) == ("feature", pushed, 2, 1, "new")
    with pytest.raises(PromotionRefused, match="not reviewed"):
        promotion.promote(gate, "feature")
    seen = gate.review("feature")
    assert [finding.rule for finding in seen.report.flagged] == ["shell-environment"]
    record_review(gate.path, "feature", seen)
    assert new_work(gate.path)[0].state == "reviewed"
    with pytest.raises(PromotionRefused, match="1 findings"):
        promotion.promote(gate, "feature")
    assert gate.promote("feature", accept_flags=True) == "feature"
    assert upstream.git("rev-parse", "feature") == pushed
    assert new_work(gate.path) == []
    assert not gate.sync().pending
    assert read_marks(gate.path) == {}


def test_a_credential_of_the_vault_goes_nowhere(agent: Repo, gate: GitGate, upstream: Repo) -> None:
    key = "made-up-credential-0123456789"
    held = (Patterns([key]),)
    agent.git("checkout", "-q", "-b", "feature")
    coded = base64.b64encode(f"user:{key}".encode()).decode()
    raw = b"some text before it " + key.encode() + b" and behind"
    dump = subprocess.run(["od", "-A", "x", "-t", "x1z"], input=raw, capture_output=True, check=True).stdout
    words = subprocess.run(["od", "-x"], input=raw, capture_output=True, check=True).stdout
    for path, content, message in (
        ("a.bin", f"\0{key}", "One"),
        ("b", coded, "Two"),
        ("wrapped.py", "".join(f'    "{coded[at : at + 16]}"\n' for at in range(0, len(coded), 16)), "Wrapped"),
        ("dump", dump, "Dumped"),
        ("words", words, "Dumped in words"),
        ("array.c", ", ".join(f"0x{byte:02X}" for byte in raw), "An array"),
        ("lines.c", ",\n".join(f"0x{byte:02x}, 0x00" for byte in b"x") + raw.hex(), "Digits"),
        ("wide", f"say {key}".encode("utf-16"), "Wide"),
        ("packed.gz", gzip.compress(gzip.compress(raw)), "Packed"),
        ("c", "c", f"Say {key}"),
        (key, "d", "Four"),
    ):
        agent.commit(path, content, message)
        agent.commit(path, "gone again", "Hide it")
        agent.git("push", "-q", "-f", "origin", "feature")
        record_review(gate.path, "feature", gate.review("feature"))
        with pytest.raises(PromotionRefused, match=f"vault is in ({path} in|the message of|the name of)"):
            promotion.promote(gate, "feature", accept_flags=True, secrets=held)
        agent.git("reset", "-q", "--hard", "HEAD~2")
    agent.git(
        "-c", f"user.name={key}", "commit", "-q", "--allow-empty", "--author", f"{key} <a@example.org>", "-m", "By"
    )
    agent.git("push", "-q", "-f", "origin", "feature")
    record_review(gate.path, "feature", gate.review("feature"))
    with pytest.raises(PromotionRefused, match="vault is in the message"):
        promotion.promote(gate, "feature", accept_flags=True, secrets=held)
    agent.git("reset", "-q", "--hard", "HEAD~1")
    assert upstream.try_git("rev-parse", "-q", "--verify", "feature").returncode != 0
    agent.commit("d", "fine", "Four")
    agent.git("push", "-q", "-f", "origin", "feature")
    record_review(gate.path, "feature", gate.review("feature"))
    with pytest.raises(PromotionRefused, match="vault is in the name of the branch"):
        promotion.promote(gate, "feature", to=f"x/{key}", accept_flags=True, secrets=held)
    assert promotion.promote(gate, "feature", accept_flags=True, secrets=held) == "feature"


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
    monkeypatch.setattr("terok_sandbox.vault.passphrase.session.ask_passphrase", ask)
    record_review(gate.path, "feature", gate.review("feature"))
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
    patterns = Patterns(secrets)
    output = b"".join(b"%040d blob %d\n%b\n" % (number, len(one), one) for number, one in enumerate(objects))
    search = SecretSearch(patterns)
    taken = [b""] * len(objects)

    def take(number: int, size: int, piece: bytes) -> None:
        assert size == len(objects[number])
        taken[number] += piece
        search.add_piece(number, size, piece)

    cutter = ObjectParser(take)
    at = 0
    while at < len(output):
        step = data.draw(st.integers(1, 30))
        cutter.feed(output[at : at + step])
        at += step
    search.finish()
    assert (taken, cutter.ended) == (objects, len(objects))
    wanted = [number for number, one in enumerate(objects) if SecretSearch(patterns).contains(one)]
    assert search.found == (wanted[0] if wanted else None)


def dumped(raw: bytes, width: int, per_group: int, *, offsets: bool, prefix: str, between: str) -> str:
    lines = []
    for at in range(0, len(raw), width):
        row = raw[at : at + width]
        groups = [prefix + row[one : one + per_group].hex() for one in range(0, len(row), per_group)]
        shown = "".join(chr(byte) if 32 < byte < 127 else "." for byte in row)
        lines.append(f"{at:08x}: {between.join(groups)}  {shown}" if offsets else f"    {between.join(groups)},")
    return "\n".join(lines)


@given(st.binary(min_size=8, max_size=100), st.sampled_from([1, 2]), st.integers(1, 40))
def test_what_was_dumped_is_read(raw: bytes, per_group: int, step: int) -> None:
    for text in (
        dumped(raw, 16, per_group, offsets=True, prefix="", between=" "),
        dumped(raw, 12, 1, offsets=False, prefix="0x", between=", "),
        dumped(raw, 16, 1, offsets=False, prefix="", between=":"),
        raw.hex(),
    ):
        dump = Dump()
        read = b"".join(dump(text[at : at + step].encode()) for at in range(0, len(text), step)) + dump.end()
        assert raw in read, text
    wide = b"".join(bytes([byte, 0]) for byte in raw if byte)
    assert narrow(wide) == raw.replace(b"\0", b"")


@pytest.mark.timeout(30)
@pytest.mark.attack("RES-1")
@pytest.mark.parametrize(
    "text", [b"0" * 4000 + b"g", b"0x" * 2000, b"00 " * 1300 + b"!", b"0000: " * 600, b"\\x00" * 900 + b"~"]
)
def test_no_line_takes_long_to_read(text: bytes) -> None:
    dump = Dump()
    for _ in range(200):
        dump(text + b"\n")
    dump.end()


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
    record_review(gate.path, "feature", gate.review("feature"))
    agent.commit("more")
    agent.git("push", "-q", "origin", "feature")
    with pytest.raises(PromotionRefused, match="changed since the review"):
        promotion.promote(gate, "feature", accept_flags=True)
    record_review(gate.path, "feature", gate.review("feature"))
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
    record_review(gate.path, "feature", gate.review("feature"))
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
    record_review(gate.path, "feature", gate.review("feature"))
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
    record_review(gate.path, "feature", seen)
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
        find_secret(gate.path, tip, known, (Patterns(["some text"]),))


@pytest.mark.attack("GIT-1")
def test_no_filter_of_a_checked_out_upstream_runs(agent: Repo, gate: GitGate, upstream: Repo, tmp_path: Path) -> None:
    """GIT-1: an upstream that wants its files updated by a push gets none: its filters would read an agent's files."""
    ran = tmp_path / "ran"
    upstream.git("config", "receive.denyCurrentBranch", "updateInstead")
    upstream.git("config", "filter.person.smudge", f"touch {ran}; cat")
    agent.commit(".gitattributes", "* filter=person\n")
    agent.commit("evil")
    agent.git("push", "-q", "origin", "main")
    record_review(gate.path, "main", gate.review("main"))
    with pytest.raises(PromotionRefused, match="checked out") as refused:
        gate.promote("main", accept_flags=True)
    assert "--to" in str(refused.value.hint)
    assert not ran.exists()
    assert gate.promote("main", to="from-agent", accept_flags=True) == "from-agent"


def test_an_upstream_that_has_moved_is_reviewed_all_the_same(
    pushed: str, gate: GitGate, upstream: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(review_handlers, "base_directory", lambda: gate.path.parent)
    upstream.path.rename(upstream.path.with_name("elsewhere"))
    assert review_handlers.review(scope="proj-1") == 0
    assert review_handlers.review(scope="proj-1", branch="feature") == 0
    capsys.readouterr()
    assert review_handlers.reject(scope="proj-1", branch="feature", note="no", as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"branch": "feature", "tip": pushed}
    for change in (lambda one: one.sync(), lambda one: one.upstream().advertised(timeout=9)):
        with pytest.raises(GateError, match="is gone") as gone:
            change(GitGate.open("proj-1", base=gate.path.parent))
        assert "gate add" in str(gone.value.hint)


def test_what_was_sent_is_known_to_be_there(pushed: str, gate: GitGate, upstream: Repo) -> None:
    assert not promotion.is_promoted(gate, "feature", "feature")
    record_review(gate.path, "feature", gate.review("feature"))
    gate.promote("feature", accept_flags=True)
    assert promotion.is_promoted(gate, "feature", "feature")
    upstream.git("update-ref", "refs/heads/feature", "main")
    assert not promotion.is_promoted(gate, "feature", "feature")


def test_the_vault_is_opened_with_the_configuration_of_whoever_asks(tmp_path: Path) -> None:
    """A configured `passphrase_command` is asked, and a caller's own configuration wins over the user's."""
    plain, secret = SandboxConfig(), tmp_path / "passphrase"
    secret.write_text("correct horse battery staple")
    plain.config_file.parent.mkdir(parents=True)
    plain.config_file.write_text(f"credentials:\n  passphrase_command: [cat, {secret}]\n")
    ensure_dir(plain.db_path.parent, 0o700)
    with CredentialDB(plain.db_path, secret.read_text(), create=True) as vault:
        vault.store_credential("default", "forge", {"type": "api_key", "key": "tok-1", "user": "me"})
    record = MirrorRecord("s", "https://forge.test/a", None, credential="forge")
    assert access_for(record, tmp_path).https("https://forge.test/a") == HttpsLogin("me", "tok-1")
    with pytest.raises(NoCredential, match="cannot be read"):
        access_for(record, tmp_path, plain).https("https://forge.test/a")
    gate = GitGate("s", base=tmp_path / "gate", upstream="https://forge.test/a", config=plain)
    upstream = gate.upstream()
    assert upstream is not None and upstream.access is not None
    create_mirror(gate.path)
    write_record(gate.path, record)
    with pytest.raises(NoCredential, match="cannot be read"):
        gate.sync()


def test_the_first_run_asks_the_vault_for_the_scope_s_keys(tmp_path: Path) -> None:
    gate = GitGate("new-1", base=tmp_path / "gate", upstream="ssh://git@127.0.0.1:9/project")
    with pytest.raises(GateError) as refused:
        gate.sync()
    assert "terok-sandbox ssh add new-1" in str(refused.value.hint)


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
    record_review(gate.path, "feature", gate.review("feature"))
    assert new_work(gate.path)[0].state == "rejected", "looking again does not undo it"
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
    with pytest.raises(MirrorError, match="unknown backup"):
        restore_backup(gate.path, "work/never")
    assert prune_backups(gate.path) == []
    assert len(prune_backups(gate.path, now=datetime.now(UTC) + timedelta(days=31))) == 2


def test_verbs(
    pushed: str, gate: GitGate, upstream: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in (handlers, review_handlers):
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
    handlers.policy(scope="proj-1", settings=["workflow=refuse"], exceptions=["secret:tests/*"])
    assert "refuse  workflow" in capsys.readouterr().out
    handlers.policy(scope="proj-1", dropped=["secret:tests/*"], limits=["refs=7"], as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["exceptions"], shown["limits"]["refs"]) == ([], 7)
    for bad in ("refs", "refs=-1", "nothing=1"):
        with pytest.raises(InspectionPolicyError, match="not a whole number"):
            handlers.policy(scope="proj-1", limits=[bad])
    with pytest.raises(InspectionPolicyError):
        handlers.policy(scope="proj-1", settings=["workflow"])
    handlers.access(scope="proj-1", credential="gh")
    assert "credential  gh" in capsys.readouterr().out
    gate.sync()
    handlers.access(scope="proj-1", personal_ssh=True)
    assert "credential  gh" in capsys.readouterr().out, "a sync keeps what is known"
    upstream.git("commit", "-q", "--amend", "-m", "rewritten")
    gate.sync()
    handlers.ops(scope="proj-1")
    handlers.apply(scope="proj-1", branches=[])
    handlers.backups(scope="proj-1")
    out = capsys.readouterr().out
    assert "pending  main: force_update" in out
    assert "applied  main, saved as main/" in out
    handlers.restore(scope="proj-1", name=list_backups(gate.path)[0].name, to="old")
    handlers.prune(scope="proj-1")
    assert "old" in gate.branch_heads()
