from __future__ import annotations

import os
from pathlib import Path

import pytest
from terok_util import FileError, remove_tree
from terok_util.files import trees


def test_links_are_removed_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("")
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "dir-link").symlink_to(outside)
    (tree / "file-link").symlink_to(outside / "kept")
    os.mkfifo(tree / "fifo")
    remove_tree(tree)
    assert not tree.exists()
    assert (outside / "kept").exists()
    (tmp_path / "link").symlink_to(outside)
    remove_tree(tmp_path / "link")
    assert (outside / "kept").exists()
    assert not (tmp_path / "link").is_symlink()


def test_any_depth_and_any_mode(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    here = os.open(tree, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    (tree / "wide").mkdir()
    for number in range(50):
        (tree / "wide" / f"f{number}").write_text("")
        (tree / "wide" / f"d{number}" / "x").mkdir(parents=True)
    (tree / "wide" / "d1").chmod(0)
    (tree / "wide").chmod(0o500)
    remove_tree(tree)
    assert list(tmp_path.iterdir()) == []


def test_files_missing_and_foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remove_tree(tmp_path / "absent")
    remove_tree(tmp_path / "absent" / "below")
    (tmp_path / "file").write_text("")
    remove_tree(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "tree").mkdir()
    monkeypatch.setattr(trees, "_empty", refuse)
    with pytest.raises(FileError, match="cannot delete") as caught:
        remove_tree(tmp_path / "tree")
    assert "podman unshare rm -rf" in str(caught.value.hint)
