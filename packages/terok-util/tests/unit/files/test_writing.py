from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from terok_util import FileError, atomic_write, ensure_dir, ensure_dir_writable, sync_path, write_sensitive_file


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.fixture(params=[0o022, 0o077, 0o000])
def umask(request: pytest.FixtureRequest) -> None:
    old = os.umask(request.param)
    request.addfinalizer(lambda: os.umask(old))


@pytest.mark.usefixtures("umask")
def test_modes_are_exact(tmp_path: Path) -> None:
    made = ensure_dir(tmp_path / "a" / "b", 0o750)
    assert (mode(made), mode(made.parent)) == (0o750, 0o750)
    assert mode(ensure_dir(made, 0o700)) == 0o750
    atomic_write(made / "f", "text")
    assert mode(made / "f") == 0o644
    write_sensitive_file(tmp_path / "s" / "secret", b"\x00")
    assert (mode(tmp_path / "s"), mode(tmp_path / "s" / "secret")) == (0o700, 0o600)


def test_directory_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="file"):
        ensure_dir(tmp_path / "file")
    with pytest.raises(FileError):
        ensure_dir(tmp_path / "file" / "below")
    (tmp_path / "dangling").symlink_to(tmp_path / "absent")
    with pytest.raises(FileError, match="not a directory"):
        ensure_dir(tmp_path / "dangling")


def test_unwritable_directory_is_named_with_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ensure_dir_writable(tmp_path, "state directory") == tmp_path
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(FileError, match="state directory is not writable") as caught:
        ensure_dir_writable(tmp_path, "state directory")
    assert str(tmp_path) in str(caught.value.hint)


def test_readers_see_the_old_file_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "f"
    versions = {bytes([letter]) * 200_000 for letter in b"abc"}
    atomic_write(path, b"a" * 200_000)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for version in versions:
                atomic_write(path, version)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert all(path.read_bytes() in versions for _ in range(100))
    finally:
        stop.set()
        writer.join()
    assert [one.name for one in tmp_path.iterdir()] == ["f"]


def test_link_is_replaced_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tmp_path / "link").symlink_to(victim)
    atomic_write(tmp_path / "link", "new")
    assert (victim.read_text(), (tmp_path / "link").read_text()) == ("untouched", "new")
    assert not (tmp_path / "link").is_symlink()


def test_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    (tmp_path / "f").write_text("old")
    with pytest.raises(FileError, match="No space left"):
        atomic_write(tmp_path / "f", "new")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("f", "old")]
    with pytest.raises(FileError, match="cannot use directory"):
        atomic_write(tmp_path / "absent" / "f", "new")


def test_secret_goes_through_no_link_and_into_no_open_directory(tmp_path: Path) -> None:
    real = ensure_dir(tmp_path / "real")
    (tmp_path / "link").symlink_to(real)
    (real / "file").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileError, match="cannot use directory"):
        write_sensitive_file(tmp_path / "link" / "f", "s")
    with pytest.raises(FileError, match="not a regular file"):
        write_sensitive_file(real / "file", "s")
    real.chmod(0o770)
    with pytest.raises(FileError, match="others can write") as caught:
        write_sensitive_file(real / "f", "s")
    assert str(caught.value.hint).startswith("chmod go-w")
    assert sorted(one.name for one in real.iterdir()) == ["file"]
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(("data_only", "call"), [(False, "fsync"), (True, "fdatasync")])
def test_a_path_is_synced_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_only: bool, call: str) -> None:
    """Files that others wrote and directories; what a link points to is not touched."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    synced: list[str] = []
    monkeypatch.setattr(os, call, lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    for path in (tmp_path / "file", tmp_path):
        sync_path(path, data_only=data_only)
    assert synced == [str(tmp_path / "file"), str(tmp_path)]
    with pytest.raises(OSError, match="link"):
        sync_path(tmp_path / "link", data_only=data_only)
    with pytest.raises(FileNotFoundError):
        sync_path(tmp_path / "none")
