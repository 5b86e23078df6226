"""The journal after any crash: what was answered is not asked again, what was torn is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from terok_sandbox.clearance import journal as journal_module
from terok_sandbox.clearance.errors import ClearanceError
from terok_sandbox.clearance.journal import RequestJournal, replay
from terok_sandbox.clearance.model import Target, Verdict
from terok_sandbox.clearance.queue import ClearanceQueue


def written(path: Path, names: int = 4) -> ClearanceQueue:
    """Ask *names* questions, allow the first, let the second expire."""
    queue = ClearanceQueue("c1", now=0)
    journal = RequestJournal(path, queue)
    for number in range(names):
        request = queue.record_sighting(Target(f"h{number}.example"), "no rule", 1.0).request
        assert request is not None
        journal.add_request(request)
    first, second = queue.waiting[:2]
    journal.add_verdict(first, Verdict("allow"), 2.0)
    journal.add_expiry(second)
    journal.close()
    return queue


@settings(deadline=None, max_examples=60)
@given(cut=st.integers(0, 3000), junk=st.binary(max_size=20))
def test_a_journal_cut_anywhere_replays(tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes) -> None:
    path = tmp_path_factory.mktemp("journal") / "clearance.jsonl"
    everything = written(path).waiting
    data = path.read_bytes()
    rows = data[:cut].splitlines(keepends=True)
    path.write_bytes(data[:cut] + junk)
    queue = ClearanceQueue("c1", now=0)
    RequestJournal(path, queue).replay(3.0)
    ids = [one.id for one in everything]
    waiting = [one.id for one in queue.waiting]
    assert set(waiting) <= set(ids)
    whole = [row for row in rows if row.endswith(b"\n")]
    assert len(waiting) >= min(len(whole), 4) - max(0, len(whole) - 4) - (len(whole) < len(rows))
    if len(whole) >= 5:
        assert ids[0] not in waiting, "an answered question came back"
    again = ClearanceQueue("c1", now=0)
    RequestJournal(path, again).replay(3.0)
    assert again.waiting == queue.waiting


def test_replay_never_opens_and_old_questions_expire(tmp_path: Path) -> None:
    path = tmp_path / "clearance.jsonl"
    written(path)
    queue = ClearanceQueue("c1", now=0)
    RequestJournal(path, queue).replay(5000.0)
    assert queue.waiting == ()
    assert queue.recent_answer(Target("h0.example"), 2.0) is None
    assert queue.domains
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_journal_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "MAX_BYTES", 8192)
    path = tmp_path / "clearance.jsonl"
    queue = ClearanceQueue("c1", now=0)
    journal = RequestJournal(path, queue)
    for number in range(300):
        seen = queue.record_sighting(Target(f"h{number}.example"), "no rule", number * 60.0)
        assert seen.request is not None
        journal.add_request(seen.request)
        journal.add_verdict(seen.request, Verdict("deny"), number * 60.0)
        queue.decide(seen.request.id, str(seen.request.target), Verdict("deny"), number * 60.0)
    assert path.stat().st_size < 80_000, "domains are remembered, answers are not"
    journal.close()


def test_what_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    queue = ClearanceQueue("c1", now=0)
    target = tmp_path / "elsewhere"
    target.write_text("")
    (tmp_path / "link.jsonl").symlink_to(target)
    journal = RequestJournal(tmp_path / "link.jsonl", queue)
    request = queue.record_sighting(Target("a.example"), "", 0).request
    assert request is not None
    with pytest.raises(ClearanceError):
        journal.add_request(request)
    assert target.read_text() == ""
    os.mkfifo(tmp_path / "fifo")
    replay([b"[]", b"{}", b"\xff", b'{"kind":"request"}', b'{"kind":"verdict","id":4}', b"[" * 50_000], queue)
    assert len(queue.waiting) == 1
