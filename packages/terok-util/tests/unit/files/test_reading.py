from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from terok_util import read_file


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
