from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox import unix_sockets
from terok_sandbox.supervise import frames

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other:
        yield one, other


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_hostile_bytes_are_a_frame_or_a_wire_error(data: bytes) -> None:
    try:
        frame = frames.decode(data)
    except frames.FrameError:
        return
    assert isinstance(frame.kind, str)
    assert isinstance(frame.build, str)
    assert type(frame.version) is int
    for read in (frame.text, frame.number):
        try:
            read("x")
        except frames.FrameError:
            continue


@given(st.text(), st.dictionaries(st.text().filter(lambda key: key not in {"v", "build", "type", "kind"}), JSON))
def test_what_is_encoded_is_decoded(kind: str, fields: dict[str, object]) -> None:
    frame = frames.decode(frames.encode(kind, **fields))
    assert (frame.kind, frame.fields) == (kind, fields)
    assert (frame.version, frame.build) == (frames.PROTOCOL, frames.BUILD)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 60000,
        b'{"v": true, "build": "", "type": "x"}',
        b'{"v": 1, "build": "", "type": 1}',
        b'{"v": ' + b"9" * 5000 + b', "build": "", "type": "x"}',
        b"\xff\xfe",
        b"x" * (frames.MAX_FRAME + 1),
    ],
    ids=["deep", "bool version", "numeric type", "huge number", "not UTF-8", "too large"],
)
def test_bad_frames_are_refused(data: bytes) -> None:
    with pytest.raises(frames.FrameError):
        frames.decode(data)


def test_too_large_a_frame_is_not_sent() -> None:
    with pytest.raises(frames.FrameError):
        frames.encode("x", blob="y" * frames.MAX_FRAME)


def test_descriptors_travel_and_are_not_inherited(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    frames.send(one, "handover", descriptors=[0, 1], pid=3)
    frame = frames.receive(other)
    assert frame is not None
    assert frame.number("pid") == 3
    assert len(frame.descriptors) == 2
    assert not any(os.get_inheritable(number) for number in frame.descriptors)
    frame.close()
    assert frame.descriptors == []


@pytest.mark.parametrize("payload", [b"{", b"x" * (frames.MAX_FRAME + 100)])
def test_a_bad_frame_leaves_no_descriptor(pair: tuple[socket.socket, socket.socket], payload: bytes) -> None:
    one, other = pair
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    before = os.listdir("/proc/self/fd")
    socket.send_fds(one, [payload], [0] * frames.MAX_DESCRIPTORS)
    with pytest.raises(frames.FrameError):
        frames.receive(other)
    assert os.listdir("/proc/self/fd") == before


def test_more_descriptors_than_allowed_are_refused(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    before = os.listdir("/proc/self/fd")
    socket.send_fds(one, [frames.encode("x")], [0] * (frames.MAX_DESCRIPTORS + 5))
    with pytest.raises(frames.FrameError, match="truncated"):
        frames.receive(other)
    assert os.listdir("/proc/self/fd") == before


def test_the_end_is_none(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].close()
    assert frames.receive(pair[1]) is None


def test_an_address_may_be_longer_than_the_kernel_allows(tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 120)
    directory.mkdir()
    with (
        unix_sockets.listen(directory / "s.sock") as listener,
        unix_sockets.connect(directory / "s.sock", timeout=1) as client,
    ):
        assert unix_sockets.peer_uid(client) == os.geteuid()
        assert (directory / "s.sock").stat().st_mode & 0o777 == 0o600
        assert listener.fileno() > 0


@pytest.mark.attack("CNF-1")
@pytest.mark.parametrize(
    ("words", "ours"),
    [
        ((), True),
        (("podman", "unshare"), True),
        (("unshare", "-Ur"), True),
        (("unshare", "-Ur", "--pid", "--fork"), False),
        (("unshare", "--map-user=1000", "--map-group=1000", "-U"), False),
    ],
)
def test_a_peer_in_a_container_is_nobody(tmp_path: Path, words: tuple[str, ...], ours: bool) -> None:
    """CNF-1: a control socket that got into a container is of no use there."""
    listener = unix_sockets.listen(tmp_path / "s")
    listener.settimeout(20)
    script = "import socket, sys; s = socket.socket(1, 5); s.connect(sys.argv[1]); s.recv(1)"
    child = subprocess.Popen([*words, sys.executable, "-c", script, str(tmp_path / "s")])
    with listener, listener.accept()[0] as connection:
        assert (unix_sockets.peer_uid(connection) == os.geteuid()) is ours
    assert child.wait(20) == 0


@pytest.mark.parametrize("words", [("podman", "unshare"), ("unshare", "-Ur")])
def test_a_peer_around_one_s_own_namespace_is_no_container(tmp_path: Path, words: tuple[str, ...]) -> None:
    """A fork server that was started within Podman's own namespace is stopped from outside."""
    script = (
        "import sys; from pathlib import Path; from terok_sandbox import unix_sockets;"
        "listener = unix_sockets.listen(Path(sys.argv[1])); listener.setblocking(True); print(1, flush=True);"
        "print(unix_sockets.peer_uid(listener.accept()[0]))"
    )
    inside = [*words, sys.executable, "-c", script, str(tmp_path / "s")]
    with subprocess.Popen(inside, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        server.stdout.readline()
        with unix_sockets.connect(tmp_path / "s", timeout=10):
            assert server.stdout.readline() == "0\n"
