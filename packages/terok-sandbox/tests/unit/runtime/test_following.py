"""The log file of a container, as Podman's monitor writes it, becomes the lines that the container printed."""

from __future__ import annotations

import itertools
import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.runtime.following import ContainerOutput, Monitored, follow

TIME = b"2026-01-02T03:04:05.000000001+00:00"


def entry(text: bytes, tag: bytes = b"F", stream: bytes = b"stdout") -> bytes:
    return b" ".join((TIME, stream, tag, text)) + b"\n"


def read(*pieces: bytes) -> list[str]:
    """Write *pieces* one after the other, reading in between, and return the lines."""
    lines: list[str] = []
    with tempfile.NamedTemporaryFile() as file, ContainerOutput(Path(file.name), lines.append) as log:
        for piece in pieces:
            file.write(piece)
            file.flush()
            log.read()
        log.end()
    return lines


TEXTS = st.lists(st.tuples(st.binary(max_size=9).filter(lambda text: b"\n" not in text), st.booleans()), max_size=6)


@given(TEXTS, st.lists(st.integers(0, 400), max_size=5))
def test_lines_are_those_of_the_container_wherever_the_file_was_read(
    texts: list[tuple[bytes, bool]], cuts: list[int]
) -> None:
    written = b"".join(entry(text, b"P" if partial else b"F") for text, partial in texts)
    places = sorted({0, len(written), *(cut for cut in cuts if cut < len(written))})
    pieces = [written[start:end] for start, end in itertools.pairwise(places)]
    printed = b"".join(text if partial else text + b"\n" for text, partial in texts)
    ended = printed.split(b"\n")
    wanted = [*ended[:-1], *([ended[-1]] if ended[-1] else [])]
    assert read(*pieces) == [line.removesuffix(b"\r").decode("utf-8", "backslashreplace") for line in wanted]


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_any_bytes_are_read_to_their_end(pieces: list[bytes]) -> None:
    read(*pieces)


def test_streams_do_not_mix_within_a_line() -> None:
    assert read(entry(b"out ", b"P"), entry(b"err", b"F", b"stderr"), entry(b"more")) == ["err", "out more"]


def test_a_file_that_is_replaced_at_its_limit_is_followed(tmp_path: Path) -> None:
    path, lines = tmp_path / "ctr.log", []
    with ContainerOutput(path, lines.append) as log:
        assert not log.read(), "not there yet"
        path.write_bytes(entry(b"one"))
        assert log.read()
        with path.open("ab") as file:
            file.write(entry(b"two"))
        (tmp_path / "new").write_bytes(entry(b"three"))
        kept = path.open("rb")  # as the reader has it
        (tmp_path / "new").replace(path)
        log.end()
        kept.close()
    assert lines == ["one", "two", "three"]


def test_the_end_of_a_process_is_noticed_at_once_and_a_deadline_too(tmp_path: Path) -> None:
    path, lines = tmp_path / "ctr.log", []
    path.write_bytes(entry(b"said"))
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    process = os.pidfd_open(child.pid)
    try:
        with ContainerOutput(path, lines.append) as log:
            assert not follow(log, process, deadline=time.monotonic() + 0.05)
            assert lines == ["said"], "lines come while it runs"
            child.communicate()
            assert follow(log, process, deadline=time.monotonic() + 30)
    finally:
        os.close(process)


def described(**changes: object) -> dict[str, object]:
    kept = {"Type": "k8s-file", "Path": __file__} | {key: changes[key] for key in changes if key[0].isupper()}
    state = {
        "Status": "running",
        "Pid": os.getpid(),
        "ConmonPid": os.getppid(),
        "ExitCode": 0,
        **changes.get("state", {}),
    }  # type: ignore[dict-item]
    return {"State": state, "HostConfig": {"LogConfig": kept}}


def test_only_a_running_container_with_a_file_of_this_kind_is_followed_in_it() -> None:
    found = Monitored.of(described())
    assert found == (Path(__file__), os.getpid(), os.getppid(), None)
    process = found.open()
    assert process is not None
    os.close(process)
    for other in (
        described(Type="journald"),
        described(Path="/nowhere/ctr.log"),
        described(state={"Pid": 0}),
        {"State": {}},
    ):
        assert Monitored.of(other) is None
    ended = Monitored.of(described(state={"Status": "exited", "Pid": 0, "ConmonPid": None, "ExitCode": 3}))
    assert ended == (Path(__file__), 0, 0, 3)
    reused = Monitored.of(described(state={"ConmonPid": 1 << 22}))
    assert reused is not None
    assert reused.open() is None, "a process with another parent is not the container's"


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_a_line_without_an_end_comes_in_pieces(size: int) -> None:
    assert "".join(read(*(entry(b"x" * 1000, b"P") for _ in range(size // 1000)))) == "x" * (size // 1000 * 1000)
