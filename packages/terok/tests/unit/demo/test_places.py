from __future__ import annotations

import io
import tarfile
import time
from pathlib import Path

import pytest
from terok.demo.places import search_files, search_tar
from terok.demo.search import ByteSearch
from terok.errors import DemoError

SECRET = "sk-demo-Zq3x_8Lw-77"


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def test_contents_and_names_of_an_archive_are_searched() -> None:
    data = archive(**{"a": b"x" * 3_000_000 + SECRET.encode(), SECRET: b"", "c": b"nothing"})
    search = ByteSearch({"key": SECRET})
    assert search_tar(io.BytesIO(data), search, deadline=time.monotonic() + 10) == 3
    assert search.hits["key"] == 2
    assert search.bytes_seen == len(data)


def test_a_torn_archive_is_an_error_and_no_clean_result() -> None:
    with pytest.raises(DemoError, match="to its end"):
        search_tar(
            io.BytesIO(archive(a=b"x" * 9000)[:4000]), ByteSearch({"key": SECRET}), deadline=time.monotonic() + 9
        )
    with pytest.raises(DemoError, match="in time"):
        search_tar(io.BytesIO(archive(a=b"x")), ByteSearch({"key": SECRET}), deadline=0)


def test_files_below_mounts_are_searched_and_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text(SECRET)
    mounted = tmp_path / "mounted"
    (mounted / "deep" / "er").mkdir(parents=True)
    (mounted / "deep" / "er" / "file").write_text(f"key={SECRET}")
    (mounted / "link").symlink_to(outside)
    (mounted / "plain").write_text("nothing")
    search = ByteSearch({"key": SECRET})
    assert search_files([mounted, tmp_path / "missing"], search) == (2, 0)
    assert search.hits["key"] == 1
