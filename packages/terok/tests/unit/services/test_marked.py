from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from terok.errors import TaskError
from terok.services.marked import MARKER, make_marked, move_marked, read_marker, remove_marked

TASK = "k7m2p9qa"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    directory = tmp_path / "tasks/web" / TASK
    make_marked(directory, TASK)
    (directory / "workspace/deep").mkdir(parents=True)
    (directory / "workspace/deep/file").write_bytes(b"\0\xff work")
    (directory / "workspace/link").symlink_to("/etc/hostname")
    return directory


def content(directory: Path) -> dict[str, object]:
    return {
        str(path.relative_to(directory)): os.readlink(path) if path.is_symlink() else path.is_dir() or path.read_bytes()
        for path in sorted(directory.rglob("*"))
    }


def test_there_and_back_again_is_the_same_tree(tree: Path, tmp_path: Path) -> None:
    before, inode = content(tree), tree.stat().st_ino
    trash = tmp_path / "trash" / TASK
    move_marked(tree, trash, TASK)
    assert not tree.exists()
    move_marked(tree, trash, TASK)  # once more, as after a kill: nothing happens
    move_marked(trash, tree, TASK)
    assert (content(tree), tree.stat().st_ino) == (before, inode)


def test_what_carries_the_marker_is_removed_and_links_are_not_followed(tree: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    (tree / "workspace/out").symlink_to(kept)
    remove_marked(tree, TASK)
    assert not tree.exists()
    assert (kept / "file").exists()
    remove_marked(tree, TASK)  # nothing there: nothing to do


def copied(tree: Path) -> None:
    shutil.copytree(tree, tree.with_name("copy"), symlinks=True)
    shutil.rmtree(tree)
    tree.with_name("copy").rename(tree)


def linked(tree: Path) -> None:
    tree.rename(tree.with_name("real"))
    tree.symlink_to("real")


def of_another_task(tree: Path) -> None:
    (tree / MARKER).write_text(json.dumps({"task": "another1", "uuid": "0", "inode": tree.stat().st_ino}))


def open_to_others(tree: Path) -> None:
    (tree / MARKER).chmod(0o666)


def without_marker(tree: Path) -> None:
    (tree / MARKER).unlink()


def damaged(tree: Path) -> None:
    (tree / MARKER).write_text("[]")


@pytest.mark.parametrize("spoil", [copied, linked, of_another_task, open_to_others, without_marker, damaged])
def test_anything_else_is_left_alone(tree: Path, tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(tree)
    before = content(tree)
    for attempt in (
        lambda: remove_marked(tree, TASK),
        lambda: move_marked(tree, tmp_path / "trash" / TASK, TASK),
        lambda: read_marker(tree, TASK),
        lambda: make_marked(tree, TASK),
    ):
        with pytest.raises(TaskError, match="left alone"):
            attempt()
    assert content(tree) == before


def test_a_draft_of_the_marker_is_no_marker(tmp_path: Path) -> None:
    directory = tmp_path / TASK
    directory.mkdir()
    (directory / f".{MARKER}.0123456789ab.tmp").write_text("{")
    assert make_marked(directory, TASK) == read_marker(directory, TASK)


def test_nothing_is_moved_over_something(tree: Path, tmp_path: Path) -> None:
    trash = tmp_path / "trash" / TASK
    trash.mkdir(parents=True)
    before = content(tree)
    with pytest.raises(TaskError, match="there already"):
        move_marked(tree, trash, TASK)
    assert content(tree) == before
