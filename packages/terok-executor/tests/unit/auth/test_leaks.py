"""Looking for the vault's secrets in trees that somebody else writes."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_executor.auth.files import read_inside, shred_tree, walk_inside
from terok_executor.auth.leaks import Secret, scan_container, scan_trees, secrets_in
from terok_executor.errors import ExecutorError
from terok_executor.integrations.sandbox import Patterns
from terok_executor.runner.storage import tree_bytes
from terok_util import FileError

KEY = "sk-real/with+odd=letters-0123456789"
SECRET = Secret("one", "default", "key", Patterns([KEY]))
OTHER = Secret("two", "team", "access_token", Patterns(["another-secret-0123456789"]))


def found(root: Path, *, remove: bool = False) -> list[tuple[str, str]]:
    return [(Path(leak.path).name, leak.provider) for leak in scan_trees([SECRET, OTHER], [root], remove=remove)]


def test_secrets_are_found_in_every_spelling_and_removed_on_request_only(tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er/plain").write_text(f"key={KEY}\n")
    (tmp_path / "basic").write_text(base64.b64encode(f"user:{KEY}".encode()).decode())
    (tmp_path / "url").write_text(quote(KEY, safe=""))
    (tmp_path / "both").write_text(f"{KEY} another-secret-0123456789")
    (tmp_path / "clean").write_text(KEY[:-1] + "0")
    wanted = [("basic", "one"), ("both", "one"), ("both", "two"), ("plain", "one"), ("url", "one")]
    assert sorted(found(tmp_path)) == wanted
    assert sorted(found(tmp_path, remove=True)) == wanted
    assert found(tmp_path) == []
    assert (tmp_path / "clean").exists()


def test_a_hostile_tree_leads_nowhere(tmp_path: Path) -> None:
    outside, tree = tmp_path / "outside", tmp_path / "tree"
    outside.mkdir()
    tree.mkdir()
    (outside / "secret").write_text(KEY)
    (tree / "link").symlink_to(outside / "secret")
    (tree / "directory").symlink_to(outside)
    os.mkfifo(tree / "pipe")
    (tree / "unreadable").write_text("x")
    assert found(tree, remove=True) == []
    for name in ("link", "directory/secret", "pipe", "../outside/secret"):
        with pytest.raises(FileError):
            read_inside(tree, name, limit=1000)
    assert read_inside(outside, "secret", limit=1000) == KEY.encode()
    assert read_inside(tree, "absent/file", limit=10) is None
    with pytest.raises(FileError):
        read_inside(outside, "secret", limit=3)
    shred_tree(tree)
    assert not tree.exists()
    assert (outside / "secret").read_text() == KEY


def test_a_hole_of_any_size_takes_no_time_and_hides_nothing(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.seek(1 << 42)
        file.write(KEY.encode())
        file.truncate(1 << 43)
    assert found(tmp_path) == [("sparse", "one")]


def test_no_directory_is_too_deep_to_look_through(tmp_path: Path) -> None:
    names = ["d"] * 3000
    here = os.open(tmp_path, os.O_RDONLY)
    for name in names:
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    file = os.open("deep", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(file, KEY.encode())
    os.close(file)
    os.close(here)
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "after").write_text(KEY)
    assert [name for name, _ in found(tmp_path)] == ["deep", "after"]
    (tmp_path / "e" / "after").unlink()
    (tmp_path / "e").rmdir()
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert tree_bytes(tmp_path) == 5 + len("file"), "what has a path at all"
    (tmp_path / "file").unlink()
    (tmp_path / "link").unlink()
    shred_tree(tmp_path / "d")
    assert list(tmp_path.iterdir()) == []


def test_directories_that_move_meanwhile_are_said(tmp_path: Path) -> None:
    (tmp_path / "tree" / "a" / "b").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    seen = []
    with pytest.raises(FileError, match="moved"):
        for names, _, _ in walk_inside(tmp_path / "tree"):
            seen.append(names)
            if names == ("a", "b"):
                (tmp_path / "tree" / "a" / "b").rename(tmp_path / "secret" / "b")
    assert seen == [(), ("a",), ("a", "b")]


def test_a_container_that_cannot_be_read_is_an_error_and_not_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    podman = tmp_path / "podman"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for said, fails in (("Error: \"/x\" could not be found on container c: no such file or directory", False),
                        ("Error: storage is corrupt", True)):  # fmt: skip
        podman.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 125\n")
        podman.chmod(0o755)
        if fails:
            with pytest.raises(ExecutorError, match="storage is corrupt"):
                scan_container("c", [SECRET])
        else:
            assert scan_container("c", [SECRET]) == []


def test_what_is_shredded_was_overwritten_first(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    file = tree / "auth.json"
    file.write_text(KEY)
    with file.open("rb") as held:
        shred_tree(tree)
        assert held.read() == bytes(len(KEY))


@given(st.integers(0, 60), st.lists(st.integers(1, 9), min_size=1))
def test_a_secret_across_pieces_is_found(padding: int, sizes: list[int]) -> None:
    data = b"x" * padding + KEY.encode() + b"y"

    def cut() -> Iterator[bytes]:
        rest, index = data, 0
        while rest:
            size = sizes[index % len(sizes)]
            yield rest[:size]
            rest, index = rest[size:], index + 1

    assert secrets_in(cut(), [OTHER, SECRET]) == [SECRET]
