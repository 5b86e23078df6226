"""The database: what a transaction keeps, what two processes at once keep, and every way in which a file can be bad."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from terok.errors import AmbiguousTask, StoreBusy, StoreDamaged, StoreError, StoreNewer, UnknownTask
from terok.model.admission import Decision, Waiting
from terok.model.claims import Claim
from terok.model.facts import Calls, Process
from terok.model.task import Task
from terok.store import Store, own_lease
from terok.store import connection as connection_module

A, B = "a3bcdefg", "a4bcdefg"
AT = 1000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "terok.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path) as opened:
        yield opened


def task(task_id: str = A, name: str = "calm-otter", **fields: object) -> Task:
    return Task(task_id, "web", name, "demo", "interactive", AT, **fields)


def add(store: Store, *tasks: Task) -> None:
    with store.write(AT) as writer:
        for one in tasks or (task(),):
            writer.add_task(one, {"memory": "2g"})


def kinds(store: Store, after: int = 0) -> list[str]:
    return [event.kind for event in store.events_after(after)]


def test_a_task_comes_back_as_it_was_written(store: Store) -> None:
    written = task(name_by_user=True, prompt="fix it", cost=0.5, scope="web", branch="terok/a3")
    add(store, written)
    (read,) = store.tasks(now=AT)
    assert read._replace(since=0.0, reason="", doubt_at=None) == written
    assert read.word == "unknown"
    assert read.reason == "it should be running"
    assert store.request(A) == {"memory": "2g"}
    assert store.path.stat().st_mode & 0o777 == 0o600


def test_every_change_is_an_event_of_the_same_transaction(store: Store) -> None:
    add(store)
    seq = store.last_seq()
    with store.write(AT + 1) as writer:
        writer.begin(A, "terok-web-a3")
        writer.observe(A, process=Process(AT + 1, "podman", "up"))
        writer.claim(A, Claim(AT + 1, "question", "q", "migrate?"))
    assert store.task(A, now=AT + 1).word == "question"
    assert kinds(store, seq) == ["starting", "state"]
    (event,) = [one for one in store.events_after(seq) if one.kind == "state"]
    assert event.data["was"] == "unknown"
    assert event.data["word"] == "question"
    with pytest.raises(ZeroDivisionError), store.write() as writer:
        writer.change(A, "renamed", name="other")
        raise ZeroDivisionError
    assert store.task(A).name == "calm-otter"
    assert kinds(store, seq) == ["starting", "state"]


def test_work_began_when_it_first_showed(store: Store) -> None:
    add(store)
    with store.write(AT) as writer:
        writer.begin(A, "c")
    for n in range(3):
        with store.write(AT + 10 * n + 1) as writer:
            up, call = Process(AT + 1, "podman", "up"), Calls(AT + 10 * n, "broker", 1, AT + 10 * n)
            writer.observe(A, process=up, calls=call)
    read = store.task(A, now=AT + 22)
    assert (read.word, read.since) == ("working", AT)


def test_an_end_is_recorded_once(store: Store) -> None:
    add(store)
    with store.write(AT + 1) as writer:
        assert not writer.end(A, 0), "it never began"
        writer.begin(A, "c")
    with store.write(AT + 2) as writer:
        writer.change(A, "stopping", desired="stopped", stopped_by="user")
        assert writer.end(A, 137)
    with store.write(AT + 3) as writer:
        assert not writer.end(A, 0)
    read = store.task(A, now=AT + 3)
    assert (read.word, read.exit_code, read.ended, read.stopped_by) == ("stopped", 137, AT + 2, "user")
    with store.write(AT + 4) as writer:
        writer.begin(A, "c")
    assert store.task(A, now=AT + 4).ended is None


def test_time_alone_changes_a_state_that_nobody_watches(store: Store) -> None:
    add(store)
    with store.write(AT) as writer:
        writer.begin(A, "c")
        writer.observe(A, process=Process(AT, "podman", "up"))
        writer.claim(A, Claim(AT, "turn_ended"))
    assert store.task(A, now=AT + 299).word == "waiting"
    assert store.task(A, now=AT + 300).word == "unknown"
    with store.write(AT + 301) as writer:
        writer.set("controller", own_lease())
    assert store.tasks(now=AT + 9000)[0].word == "waiting", "the controller lives"
    with store.write(AT + 302) as writer:
        writer.set("controller", own_lease()._replace(started=1))
    assert store.tasks(now=AT + 9000)[0].word == "unknown", "another process with its number lives"


def test_addresses_find_one_task(store: Store) -> None:
    add(store, task(), task(B, "keen-fox")._replace(created=AT + 1))
    assert store.find("A3").id == store.find("web/calm-otter").id == A
    assert store.find("@latest").id == B
    with pytest.raises(AmbiguousTask, match="a3 web/calm-otter, a4 web/keen-fox"):
        store.find("a")
    for wrong in ("a5", "api/a3", "api/@latest", "", "a b", "-", "../a3", "x" * 99):
        with pytest.raises(UnknownTask):
            store.find(wrong)


def test_a_follow_up_moves_once(store: Store) -> None:
    add(store)
    with store.write() as writer:
        number = writer.follow_up(A, "and the tests", "queue")
        assert writer.edit_follow_up(number, "and all tests")
        assert writer.move_follow_up(number, "written", "sent")
        assert not writer.move_follow_up(number, "written", "taken_back")
        assert not writer.edit_follow_up(number, "too late")
    (kept,) = store.follow_ups(A)
    assert (kept.text, kept.state) == ("and all tests", "sent")


def test_the_queue_gives_a_task_to_one(store: Store) -> None:
    add(store)
    with store.write() as writer:
        writer.enqueue(Waiting(A, "web", AT, after=(B,)))
        writer.explain(Decision(A, "slot", "waits for a slot (4 of 4)"))
    assert store.queue() == [Waiting(A, "web", AT, None, (B,), 0, "slot")]
    assert store.task(A).reason == "waits for a slot (4 of 4)"
    seq = store.last_seq()
    with store.write() as writer:
        writer.explain(Decision(A, "slot", "waits for a slot (4 of 4)"))
    assert store.last_seq() == seq, "nothing new is no event"
    with store.write() as writer:
        assert writer.dequeue(A)
        assert not writer.dequeue(A)
    assert store.queue() == []


def test_operations_keep_their_inverse(store: Store) -> None:
    with store.write(AT) as writer:
        number = writer.record_operation("delete", A, "deleted web/a3", {"restore": A}, expires=AT + 9)
        assert writer.move_operation(number, "open", "done")
        assert not writer.move_operation(number, "open", "done")
    (kept,) = store.operations()
    assert (kept.inverse, kept.state, kept.expires) == ({"restore": A}, "done", AT + 9)


def test_a_forgotten_task_leaves_its_events(store: Store) -> None:
    add(store)
    with store.write() as writer:
        writer.follow_up(A, "more", "queue")
        writer.forget_task(A)
    assert store.tasks(trashed=True) == []
    assert store.follow_ups() == []
    assert kinds(store) == ["created", "state", "follow_up", "forgotten"]


def test_a_snapshot_and_the_events_after_it_are_everything(store: Store) -> None:
    add(store)
    snapshot = store.snapshot()
    with store.write() as writer:
        writer.change(A, "renamed", name="other")
    assert [one.name for one in snapshot.tasks] == ["calm-otter"]
    (event,) = store.events_after(snapshot.seq)
    assert (event.kind, event.data) == ("renamed", {"name": "other"})


def test_a_name_is_taken_once_in_a_project_until_its_task_is_trashed(store: Store) -> None:
    add(store)
    with pytest.raises(StoreError, match="refused"):
        add(store, task(B))
    with store.write() as writer:
        writer.change(A, "deleted", desired="trashed", trashed=AT)
    add(store, task(B))
    assert [one.id for one in store.tasks()] == [B]
    assert len(store.tasks(trashed=True)) == 2


def test_reading_makes_no_file(path: Path) -> None:
    with Store(path, create=False) as store:
        assert store.snapshot() == ([], 0)
        assert not path.exists()
        add(store)
        assert len(store.tasks()) == 1
    with Store(path, create=False) as store:
        assert len(store.tasks()) == 1


WRITER = """
import sys
from pathlib import Path
from terok.store import Store
from terok.model.task import Task
letter = sys.argv[2]
with Store(Path(sys.argv[1])) as store:
    print("open", flush=True)
    for n in range(int(sys.argv[3])):
        with store.write() as writer:
            held = len(writer.tasks())
            task = Task(f"{letter}{n:07d}", "web", f"{letter}-{n}", "demo", "headless", 1.0)
            writer.add_task(task, {"held": held})
            if n == int(sys.argv[4]):
                print("inside", flush=True)
                sys.stdin.readline()
"""


def child(path: Path, letter: str, count: int, stop: int = -1) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", WRITER, str(path), letter, str(count), str(stop)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_two_processes_write_at_once(path: Path) -> None:
    """Also the first opening, which makes the tables; each transaction sees all that were before it."""
    writers = [child(path, letter, 25) for letter in "ab"]
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    with Store(path) as store:
        held = sorted(store.request(one.id)["held"] for one in store.tasks())
    assert held == list(range(50)), "a transaction that reads and writes has the database for itself"


def test_killed_inside_a_transaction_nothing_of_it_counts(path: Path) -> None:
    writer = child(path, "a", 4, stop=2)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"open\n"
    assert writer.stdout.readline() == b"inside\n"
    writer.send_signal(signal.SIGKILL)
    writer.communicate(timeout=60)
    with Store(path) as store:
        assert [one.id for one in store.tasks()] == ["a0000000", "a0000001"]
        assert kinds(store) == ["created", "state"] * 2
        add(store)


def test_two_stores_of_one_process_keep_each_other_s_locks(store: Store, path: Path) -> None:
    """Whoever closes a descriptor of the file would end the first one's: another process then deletes its log."""
    add(store)
    with Store(path) as second:
        assert second.tasks()
        child(path, "b", 1).communicate(timeout=60)
        with store.write() as writer:
            writer.change(A, "renamed", name="acknowledged")
        child(path, "c", 1).communicate(timeout=60)
    code = (
        "import sys; from pathlib import Path; from terok.store import Store; print(Store(Path(sys.argv[1])).tasks())"
    )
    seen = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert "acknowledged" in seen.stdout
    assert len(store.tasks()) == 3


def test_a_late_end_or_fact_of_an_earlier_run_changes_nothing(store: Store) -> None:
    add(store)
    with store.write(AT + 1) as writer:
        writer.begin(A, "c")
        assert writer.end(A, 1, run=AT + 1)
    with store.write(AT + 2) as writer:
        writer.begin(A, "c")
        writer.observe(A, process=Process(AT + 2, "podman", "up"))
    with store.write(AT + 3) as writer:
        assert not writer.end(A, 1, run=AT + 1)
        writer.observe(A, AT + 1, process=Process(AT + 3, "podman", "exited", 1))
        assert not writer.end(A, 1, run=AT + 1)
    read = store.task(A, now=AT + 3)
    assert (read.ended, read.process) == (None, "up")
    with store.write(AT + 4) as writer:
        assert writer.end(A, 0, run=AT + 2)


def test_text_that_is_not_unicode_is_kept_as_far_as_it_is(store: Store) -> None:
    add(store, task(prompt="caf\udce9 \u00e9"))
    assert store.task(A).prompt == "caf? \u00e9"


def test_a_database_that_appears_after_it_was_missing_is_written_to(path: Path) -> None:
    with Store(path, create=False) as reader, Store(path) as other:
        add(other)
        with reader.write() as writer:
            writer.change(A, "renamed", name="seen")
        assert other.task(A).name == "seen"


def test_a_locked_database_is_waited_for_and_then_named(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "BUSY_SECONDS", 0.05)
    with Store(path) as other, store.write():
        assert other.tasks() == [], "readers do not wait"
        with pytest.raises(StoreBusy) as caught:
            add(other)
    assert caught.value.exit_code == 73


def test_a_newer_database_is_refused_and_left_alone(path: Path) -> None:
    Store(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(StoreNewer, match="schema 99") as caught:
        Store(path)
    assert (caught.value.exit_code, path.read_bytes()) == (4, before)


def test_a_damaged_database_is_named(path: Path) -> None:
    with Store(path) as store:
        add(store, *(task(f"a{n:07d}", f"n-{n}", prompt="x" * 900) for n in range(50)))
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))
    with pytest.raises(StoreDamaged), Store(path) as store:
        store.tasks()


@pytest.mark.parametrize("content", [b"project: web\n", b"SQLite format 3\0"])
def test_what_is_no_database_is_named(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StoreDamaged):
        Store(path)


def test_the_database_of_another_program_is_left_alone(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE notes (text)")
    raw.close()
    path.chmod(0o600)
    with pytest.raises(StoreDamaged, match="another program"):
        Store(path)


def test_a_database_that_others_can_read_is_refused(path: Path) -> None:
    Store(path).close()
    path.chmod(0o644)
    with pytest.raises(StoreError) as caught:
        Store(path)
    assert caught.value.hint == f"chmod 600 {path}"


def test_a_full_disk_loses_nothing_that_was_written(store: Store, path: Path) -> None:
    add(store)
    size = path.with_name("terok.db-wal").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 8192, hard))
    try:
        with pytest.raises(StoreError, match="cannot be written") as caught:
            add(store, task(B, "big", prompt="x" * 500_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "disk space" in str(caught.value.hint)
    assert [one.id for one in store.tasks()] == [A]
    add(store, task(B, "big"))
    assert len(store.tasks()) == 2


def test_one_living_process_at_a_time_acts_on_a_task(store: Store) -> None:
    add(store)
    mine, init = own_lease(), own_lease()._replace(pid=1)
    dead = mine._replace(started=mine.started + 1)
    with store.write() as writer:
        assert writer.take_lease(A, dead)
        assert writer.take_lease(A, mine), "a lease ends with its process"
        assert not writer.take_lease(A, init)
        assert not writer.take_lease(A, mine), "two threads of one process are two as well"
    assert store.lease(A) == mine
    with store.write() as writer:
        writer.drop_lease(A)
    assert store.lease(A) is None
