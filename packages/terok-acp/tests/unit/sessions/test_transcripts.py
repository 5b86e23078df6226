from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from terok_acp.errors import SessionsError
from terok_acp.sessions.transcripts import Transcripts

items = st.lists(st.text(max_size=30).map(lambda text: json.dumps({"t": text})), max_size=12)


def all_of(store: Transcripts, key: str = "k", after: int = 0, most: int = 50) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    while more := store.read(key, found[-1][0] if found else after, most):
        found += more
    return found


@settings(max_examples=40, deadline=None)
@given(items, st.data())
def test_a_kill_at_any_byte_leaves_a_prefix_and_numbers_go_on(said: list[str], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        store = Transcripts(Path(name), most=400)  # segments of 50 bytes
        for item in said:
            store.append("k", item)
            store.flush()
        kept = all_of(store)
        files = (
            sorted(Path(name, "k").iterdir(), key=lambda path: int(path.name.split(".")[0].split("-")[0]))
            if said
            else []
        )
        if files:
            size = files[-1].stat().st_size
            os.truncate(files[-1], data.draw(st.integers(0, size)))
        again = Transcripts(Path(name), most=4000)  # nothing more goes at the bound
        left = all_of(again)
        assert left == kept[: len(left)]
        number = again.append("k", '{"new":1}')
        assert number == again.last("k") and all_of(again) == [*left, (number, '{"new":1}')]
        assert not left or number == left[-1][0] + 1


@settings(max_examples=60, deadline=None)
@given(items, st.lists(st.sampled_from(["append", "flush", "attach", "reopen"]), max_size=30), st.integers(1, 200))
def test_an_editor_that_comes_back_at_any_point_sees_each_item_once(
    said: list[str], steps: list[str], most: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        store, told, seen, live = Transcripts(Path(name)), [], [], True
        pending = list(said)
        for step in steps:
            if step == "append" and pending:
                item = pending.pop(0)
                told.append((store.append("k", item), item))
                if live:
                    seen.append(told[-1])
            elif step == "flush":
                store.flush()
            elif step == "attach":  # away, or back: what is missing is read, then live again
                if not live:
                    seen += all_of(store, after=seen[-1][0] if seen else 0, most=most)
                live = not live
            elif step == "reopen":
                store.flush()
                store = Transcripts(Path(name))
        if not live:
            seen += all_of(store, after=seen[-1][0] if seen else 0, most=most)
        assert seen == told and store.complete("k")


def test_a_kill_of_the_writer_loses_nothing_that_was_flushed(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        store = Transcripts(tmp_path)
        for number in range(1, 2000):
            store.append("k", json.dumps({"n": number, "pad": "x" * 200}))
            store.flush()
            os.write(writing, b"%d\n" % number)
        os._exit(0)
    os.close(writing)
    with open(reading, "rb", buffering=0) as told:
        while (line := told.readline()) != b"300\n":
            assert line
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        flushed = 300 + told.read().count(b"\n")
    found = all_of(Transcripts(tmp_path), most=100_000)
    assert [json.loads(item)["n"] for _, item in found] == list(range(1, len(found) + 1)) and len(found) >= flushed


def test_the_oldest_go_at_the_bound_and_that_is_told(tmp_path: Path) -> None:
    store = Transcripts(tmp_path, most=1000)
    for number in range(1, 201):
        assert store.append("k", json.dumps({"n": number})) == number
        store.flush()
    found = all_of(store)
    assert found[0][0] > 1 and found[-1] == (200, '{"n": 200}') and not store.complete("k")
    assert [number for number, _ in found] == list(range(found[0][0], 201))
    assert sum(path.stat().st_size for path in (tmp_path / "k").iterdir()) <= 1000
    assert not Transcripts(tmp_path, most=1000).complete("k")


def test_a_cleared_transcript_is_complete_again_and_keeps_counting(tmp_path: Path) -> None:
    store = Transcripts(tmp_path)
    store.append("k", "{}")
    for _ in range(2):
        store.clear("k")
    assert store.read("k", 0, 99) == [] and store.complete("k") and store.append("k", '{"a":1}') == 2
    store.flush()
    again = Transcripts(tmp_path)
    assert again.read("k", 0, 99) == [(2, '{"a":1}')] and again.complete("k")
    again.remove("k")
    assert not (tmp_path / "k").exists() and again.append("k", "{}") == 1


def test_files_are_private_and_links_are_not_followed(tmp_path: Path) -> None:
    store = Transcripts(tmp_path)
    store.append("k", "{}")
    store.flush()
    (file,) = (tmp_path / "k").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere")
    store.append("k", "{}")
    with pytest.raises(SessionsError):
        store.flush()
    assert not (tmp_path / "elsewhere").exists()


def test_what_cannot_be_written_leaves_a_gap_that_is_told(tmp_path: Path) -> None:
    store = Transcripts(tmp_path)
    store.append("k", '{"a":1}')
    store.flush()
    (file,) = (tmp_path / "k").iterdir()
    file.rename(tmp_path / "aside")
    store.append("k", '{"lost":1}')
    with pytest.raises(SessionsError):
        store.flush()
    (tmp_path / "aside").rename(file)
    assert store.append("k", '{"b":1}') == 3
    store.flush()
    for place in (store, Transcripts(tmp_path)):
        assert place.read("k", 0, 99) == [(1, '{"a":1}'), (3, '{"b":1}')] and not place.complete("k")


def test_nothing_behind_a_damaged_line_comes_back(tmp_path: Path) -> None:
    store = Transcripts(tmp_path)
    for number in range(4):
        store.append("k", json.dumps({"n": number}))
    store.flush()
    (file,) = (tmp_path / "k").iterdir()
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([lines[0], b"\0" * (len(lines[1]) - 1) + b"\n", *lines[2:]]))
    again = Transcripts(tmp_path)
    assert again.append("k", '{"n": 9}') == 2  # as long as the damaged one
    again.flush()
    assert all_of(Transcripts(tmp_path)) == [(1, '{"n": 0}'), (2, '{"n": 9}')]


def test_half_of_a_write_on_a_full_disk_is_taken_back(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from terok_acp.errors import SessionsError
from terok_acp.sessions.transcripts import Transcripts
store = Transcripts(Path(sys.argv[1]))
store.append("k", '{"first":1}')
store.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (60, 60))
for number in range(9):
    store.append("k", '{"lost":%d}' % number)
try:
    store.flush()
except SessionsError:
    print("told")
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "told\n" and all_of(Transcripts(tmp_path)) == [(1, '{"first":1}')]


@pytest.mark.parametrize("item", ["[]", "5", "", '{"a":\n1}', "{}\n{}"])
def test_only_objects_on_one_line_are_items(item: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one line"):
        Transcripts(tmp_path).append("k", item)


@pytest.mark.parametrize("key", ["", "..", "a/b", "/etc", "a\0", "é", "x" * 101])
def test_only_our_keys_name_a_directory(key: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="key"):
        Transcripts(tmp_path).append(key, "{}")
