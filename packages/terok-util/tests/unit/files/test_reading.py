from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest
from terok_util import ExposedFile, open_private, read_file, read_private, read_tail


def test_a_regular_file_is_read_and_nothing_else(tmp_path: Path) -> None:
    """A pipe, a device or a socket in its place neither blocks nor fills the memory."""
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "link", 4) == b"text"
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for name in ("pipe", "zero", "socket"):
            with pytest.raises(OSError, match=name):
                read_file(tmp_path / name, 4)
    with pytest.raises(OSError, match="larger than 3 bytes"):
        read_file(tmp_path / "file", 3)
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path, 3)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "none", 3)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(b"abc")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(("mode", "forbidden"), [(0o640, 0o077), (0o601, 0o077), (0o620, 0o022)])
def test_a_file_that_lets_others_in_is_not_read(secret: Path, mode: int, forbidden: int) -> None:
    secret.chmod(mode)
    with pytest.raises(ExposedFile, match=re.escape(f"mode {mode:04o} lets other users in")):
        read_private(secret, 9, forbidden=forbidden)


def test_a_private_file_is_read_whole_or_not(secret: Path) -> None:
    assert read_private(secret, 3) == b"abc"
    with open_private(secret) as file:
        assert (file.read(1), os.fstat(file.fileno()).st_size) == (b"a", 3)
    secret.chmod(0o644)
    assert read_private(secret, 3, forbidden=0o022) == b"abc"
    with pytest.raises(OSError, match="larger than 2 bytes"):
        read_private(secret, 2, forbidden=0)


def test_what_stands_in_for_a_private_file_is_refused(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secret.parent / "link").symlink_to("secret")
    with pytest.raises(OSError, match="a symbolic link, not a regular file"):
        read_private(secret.parent / "link", 9)
    os.mkfifo(secret.parent / "pipe", 0o600)
    with pytest.raises(OSError, match="not a regular file"):
        read_private(secret.parent / "pipe", 9)
    with pytest.raises(IsADirectoryError):
        read_private(secret.parent, 9)
    with pytest.raises(FileNotFoundError):
        read_private(secret.parent / "none", 9)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(PermissionError, match=f"belongs to user {os.getuid()}, not to this user") as caught:
        read_private(secret, 9)
    assert not isinstance(caught.value, ExposedFile)


def test_a_refused_file_leaves_no_descriptor_open(secret: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    secret.chmod(0o644)
    for path in (secret, secret.parent):
        with pytest.raises(OSError):
            read_private(path, 9)
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_end_of_a_log(secret: Path) -> None:
    secret.write_bytes(b"one\ntwo\n\xff")
    assert read_tail(secret, 5) == "two\n\N{REPLACEMENT CHARACTER}"
    assert read_tail(secret, 500).startswith("one")
    assert read_tail(secret.parent / "none", 500) == ""
    (secret.parent / "link").symlink_to("secret")
    assert read_tail(secret.parent / "link", 500) == ""
