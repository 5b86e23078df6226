"""The real process: one at a time, snapshot and stream, gone when it should be, and nothing lost when it is killed."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from terok.cli import main
from terok.errors import ControllerError
from terok.model.facts import Calls
from terok.model.task import Task
from terok.paths import controller_socket, database_path
from terok.store import Store
from terok.wire import ask, poke, subscribe
from terok.wire.client import ensure_controller
from terok.wire.protocol import encode

WAIT = 20.0


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path))
    (tmp_path / "run").mkdir(mode=0o700)
    yield tmp_path
    with contextlib.suppress(ControllerError):
        pid = ask("ping")["pid"]
        ask("stop")
        end(pid)


def end(pid: int) -> None:
    """Wait until a process is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([handle], [], [], WAIT)[0], f"process {pid} does not end"
    finally:
        os.close(handle)


def add(store: Store, number: int) -> None:
    with store.write() as writer:
        writer.add_task(Task(f"a{number:07d}", "web", f"n-{number}", "demo", "headless", 1.0), {})


def controllers() -> set[int]:
    found = set()
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            try:
                words = (place / "cmdline").read_bytes().split(b"\0")
                root = f"TEROK_ROOT={os.environ['TEROK_ROOT']}".encode()
                if b"terok.controller" in words and root in (place / "environ").read_bytes().split(b"\0"):
                    found.add(int(place.name))
            except OSError:
                continue
    return found


def test_many_that_start_it_at_once_get_one() -> None:
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(ensure_controller) for _ in range(8)]:
            done.result()
    pid = ask("ping")["pid"]
    for other in controllers() - {pid}:
        end(other)
    assert controllers() == {pid}
    with Store() as store:
        assert store.watched()


def test_a_snapshot_and_then_every_event_also_of_writers_that_do_not_poke() -> None:
    with Store() as store:
        add(store, 1)
        feed = subscribe()
        kind, snapshot = next(feed)
        assert (kind, [one["id"] for one in snapshot["tasks"]]) == ("snapshot", ["a0000001"])
        add(store, 2)
        events = [next(feed) for _ in range(2)]
        assert [(one["task"], one["kind"]) for _, one in events] == [("a0000002", "created"), ("a0000002", "state")]
        last = events[-1][1]["seq"]
        add(store, 3)
        kind, event = next(subscribe(last))
        assert (kind, event["task"], event["seq"]) == ("event", "a0000003", last + 1)
        with store.write() as writer:
            writer.forget_events(1)
        assert next(subscribe(last))[0] == "snapshot", "whoever was away for too long begins anew"


def test_a_reader_that_sleeps_misses_nothing() -> None:
    """More than its connection holds is written while it does not read."""
    with Store() as store:
        feed = subscribe()
        next(feed)
        with store.write() as writer:
            for number in range(3000):
                writer.event("", "note", number=number, text="x" * 500)
        assert ask("ping")["pid"], "others are served meanwhile"
        assert [next(feed)[1]["data"]["number"] for _ in range(3000)] == list(range(3000))


def test_killed_it_is_replaced_and_a_follower_goes_on() -> None:
    with Store() as store:
        feed = subscribe()
        seq = next(feed)[1]["seq"]
        pid = ask("ping")["pid"]
        os.kill(pid, signal.SIGKILL)
        end(pid)
        assert list(feed) == []
        assert not store.watched(), "its lease ends with it"
        add(store, 1)
        poke()
        assert next(subscribe(seq))[1]["kind"] == "created"
        assert ask("ping")["pid"] != pid


def test_it_stops_when_told_and_leaves_no_socket(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["controller", "status"]) == 69
    assert main(["controller", "start"]) == 0
    pid = ask("ping")["pid"]
    assert main(["controller", "status"]) == 0
    assert f"process {pid}" in capsys.readouterr().out
    assert main(["controller", "stop"]) == 0
    end(pid)
    assert not controller_socket().exists()


def test_it_ends_when_its_files_are_taken_away(root: Path) -> None:
    ensure_controller()
    pid = ask("ping")["pid"]
    (root / "state").rename(root / "moved")
    end(pid)


def test_it_is_not_open_to_others_and_survives_nonsense() -> None:
    ensure_controller()
    assert controller_socket().stat().st_mode & 0o777 == 0o600
    for line in (b"nonsense\n", b"[]\n", b'{"v":2,"type":"ping"}\n', encode("nosuch"), encode("subscribe")[:-1]):
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(WAIT)
            channel.connect(str(controller_socket()))
            channel.sendall(line)
            channel.shutdown(socket.SHUT_WR)
            answer = channel.makefile("rb").readline()
            assert b'"error"' in answer or line == encode("subscribe")[:-1]
    with socket.socket(socket.AF_UNIX) as channel, pytest.raises((ConnectionError, AssertionError)):
        channel.settimeout(WAIT)
        channel.connect(str(controller_socket()))
        channel.sendall(b"x" * 200_000)
        assert channel.recv(1)
    assert ask("ping")["pid"]


def test_a_poke_starts_it_and_never_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    poke()
    ensure_controller()
    assert ask("status")["following"] == []
    monkeypatch.setenv("TEROK_ROOT", "/proc/nowhere")
    poke()


def test_events_are_printed_and_followed(capsys: pytest.CaptureFixture[str]) -> None:
    with Store() as store:
        add(store, 1)
    assert main(["events"]) == 0
    assert "a0000001  created  project=web name=n-1" in capsys.readouterr().out
    words = ["events", "--follow", "--after", "1", "--json"]
    code = f"import sys; from terok.cli import main; sys.exit(main({words!r}))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b'"seq": 2' in process.stdout.readline()
        with Store() as store:
            add(store, 2)
        assert b'"a0000002"' in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT) == 130


def test_a_run_that_a_limit_has_ended_waits_where_that_is_allowed_and_no_settings_are_overlooked(root: Path) -> None:
    """The project is made, and the permission given, while the controller runs."""
    ensure_controller()
    directory = root / "config/projects/web"
    with Store() as store:
        add(store, 1)
        feed = subscribe()
        next(feed)
        reset_at = time.time() + 3600
        with store.write() as writer:
            writer.begin("a0000001", "terok-web-a0000001")
            now = writer.at
            writer.observe("a0000001", calls=Calls(now, "vault", 0, now, now, 429, "acme", reset_at))
            writer.end("a0000001", 1)
        directory.mkdir(parents=True)
        (directory / "project.yml").write_text("git:\n  upstream: https://git.example.test/web.git\n")
        (directory / "project.yml").write_text(
            "git:\n  upstream: https://git.example.test/web.git\ntasks:\n  wait_for_limit: 7200\n"
        )
        kinds = []
        while "limit_wait" not in kinds:
            kinds.append(next(feed)[1]["kind"])
        (row,) = store.queue()
        assert (row.task, row.reason) == ("a0000001", "time")
        assert row.not_before is not None
        assert reset_at < row.not_before < reset_at + 60
        assert store.task("a0000001").word == "limit", "a person still sees why"


def test_status_counts_what_needs_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 0
    assert capsys.readouterr().out == "no tasks\n"
    assert not database_path().exists(), "reading makes no file"
    with Store() as store:
        add(store, 1)
    assert main(["status", "-q"]) == 0
    assert main(["status"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("0\n1 doubt\n")
    assert "n-1" in out
