from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.demo.processes import container_processes, inside_uid, is_own_address, parse_status

STATUS = (
    "Name:\tsleep\nState:\tS (sleeping)\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nCapEff:\t{eff}\nCapBnd:\t00000000800405fb\n"
)


def make(proc: Path, pid: int, *, namespace: str = "pid:[1]", uid: int = 1001, eff: str = "0000000000000000") -> None:
    directory = proc / str(pid)
    (directory / "ns").mkdir(parents=True)
    (directory / "ns" / "pid").symlink_to(namespace)
    (directory / "status").write_text(STATUS.format(uid=uid, eff=eff))
    (directory / "uid_map").write_text("         0          1       1000\n      1000       1001          1\n")
    (directory / "cmdline").write_bytes(b"sleep\0inf\0")
    (directory / "environ").write_bytes(b"A=b\0")


def test_the_processes_of_a_namespace_are_read(tmp_path: Path) -> None:
    make(tmp_path, 10)
    make(tmp_path, 9, eff="0000000000000400")
    make(tmp_path, 11, namespace="pid:[2]")
    (tmp_path / "12").mkdir()
    (tmp_path / "self").mkdir()
    first, second = container_processes(10, proc=tmp_path)
    assert (first.pid, first.cap_effective, first.cap_bounding) == (9, 0x400, 0x800405FB)
    assert (second.host_uid, second.uid, second.command, second.environment) == (1001, 1000, b"sleep\0inf\0", b"A=b\0")


def test_a_container_that_has_ended_has_none(tmp_path: Path) -> None:
    assert container_processes(0, proc=tmp_path) == ()


def test_our_own_namespace_has_us_in_it() -> None:
    ours = {process.pid: process for process in container_processes(os.getpid())}
    assert ours[os.getpid()].host_uid == os.geteuid()


def test_own_addresses_are_those_the_kernel_takes_as_local() -> None:
    assert is_own_address(os.getpid(), "127.0.0.1")
    assert not is_own_address(os.getpid(), "192.0.2.255")
    assert not is_own_address(0, "127.0.0.1")


@pytest.mark.parametrize(("uid", "inside"), [(1001, 1000), (1, 0), (1000, 999), (0, None), (5000, None)])
def test_uids_are_translated(uid: int, inside: int | None) -> None:
    assert inside_uid(uid, "0 1 1000\n1000 1001 1\n") == inside


@given(st.text(), st.integers(0, 2**31))
def test_odd_files_are_survived(text: str, uid: int) -> None:
    parse_status(text)
    inside_uid(uid, text)


def test_what_has_ended_is_not_counted_as_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, 10)
    monkeypatch.setattr("terok.demo.processes._bytes", lambda path: None if path.name == "environ" else b"")
    assert container_processes(10, proc=tmp_path)[0].environment is None
    status = tmp_path / "10" / "status"
    status.write_text(status.read_text().replace("S (sleeping)", "Z (zombie)"))
    assert container_processes(10, proc=tmp_path)[0].environment == b""
