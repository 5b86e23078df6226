from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox import unix_sockets
from terok_sandbox.supervise import frames, hook

if TYPE_CHECKING:
    from conftest import Lab

WHEEL = Path(__file__).parents[3]


def test_it_carries_the_version_of_the_wheel() -> None:
    assert tomllib.loads((WHEEL / "pyproject.toml").read_text())["project"]["version"] == hook.BUILD


def test_it_imports_nothing_slow() -> None:
    imported = subprocess.run(
        ["/usr/bin/python3", "-I", "-S", "-X", "importtime", hook.__file__],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    ).stderr
    names = {line.rpartition("|")[2].strip() for line in imported.splitlines() if "|" in line}
    assert not names & {"re", "json", "typing", "enum", "socket", "signal", "subprocess", "pathlib"}


def test_a_state_document_that_is_none_stops_the_container() -> None:
    for state in (b"", b"[]", b"{", b"{}", b"\xff", b'{"pid": true, "id": "x"}', b'{"pid": 5, "id": "x"}'):
        done = subprocess.run(["/usr/bin/python3", "-I", "-S", hook.__file__], input=state, capture_output=True)
        assert done.returncode == 1, state
        assert done.stderr.startswith(b"terok: container ? not started: ")
        assert done.stderr.count(b"\n") == 1


@pytest.mark.attack("SUP-1")
@pytest.mark.parametrize(
    ("name", "value", "passes"),
    [
        ("run.oci.hooks.stderr", "/dev/null", True),
        ("run.oci.keep_original_groups", "1", True),
        ("org.opencontainers.image.title", "app", True),
        ("run.oci.hooks.stderr", "/home/u/.profile", False),
        ("run.oci.seccomp.receiver", "/run/x", False),
        ("run.oci.handler", "krun", False),
    ],
)
def test_what_an_image_asks_of_the_runtime_stops_the_container(name: str, value: str, passes: bool) -> None:
    state = {"id": "x", "pid": 5, "annotations": {hook.ANNOTATION: "/no/such.json", name: value}}
    words = ["/usr/bin/python3", "-I", "-S", hook.__file__]
    done = subprocess.run(words, input=json.dumps(state), capture_output=True, text=True)
    assert done.returncode == 1
    assert ("its image has" not in done.stderr) == passes


def test_it_works_with_every_signal_blocked(lab: Lab) -> None:
    """As crun starts it: the mask must not reach a connection that never answers."""
    path = lab.wire()
    script = f"""
import os, signal
signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
os.execv("/usr/bin/python3", ["python3", "-I", "-S", {hook.__file__!r}])
"""
    state = {"id": "x", "pid": os.getpid(), "bundle": lab.bundle(), "annotations": {hook.ANNOTATION: str(path)}}
    with supervisor_that(lambda channel: channel.recv(65536) and channel.recv(1), path):
        process = subprocess.Popen(["/usr/bin/python3", "-c", script], stdin=subprocess.PIPE)
        assert process.stdin is not None
        process.stdin.write(json.dumps(state).encode())
        process.stdin.close()
        time.sleep(0.5)
        process.terminate()
        assert process.wait(2) == -15


def private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(0o600)


@pytest.mark.attack("FS-1")
def test_a_mount_that_was_exchanged_for_a_link_stops_the_start(tmp_path: Path) -> None:
    source, elsewhere, path = tmp_path / "work", tmp_path / "secret", tmp_path / "sidecar/box.json"
    source.mkdir()
    elsewhere.mkdir()
    text = {"schema": 1, "container_name": "box", "runtime_dir": "/r", "mounts": [[str(source), str(source)]]}
    private(path, json.dumps(text))
    assert hook.read_sidecar(str(path))["mounts"]
    source.rmdir()
    source.symlink_to(elsewhere)
    with pytest.raises(hook.RefusedError, match="leads to another place"):
        hook.read_sidecar(str(path))


def spoil_mode(path: Path) -> None:
    path.chmod(0o640)


def spoil_link(path: Path) -> None:
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


def spoil_kind(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def spoil_schema(path: Path) -> None:
    private(path, json.dumps(json.loads(path.read_text()) | {"schema": 99}))


def spoil_name(path: Path) -> None:
    private(path, json.dumps(json.loads(path.read_text()) | {"container_name": "other"}))


def spoil_json(path: Path) -> None:
    private(path, '{"schema": 1,')


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (spoil_mode, "not a private file"),
        (spoil_link, "cannot be opened"),
        (spoil_kind, "not a private file"),
        (spoil_schema, "schema 99"),
        (spoil_name, "belongs to another container"),
        (spoil_json, "damaged"),
        (Path.unlink, "cannot be opened"),
    ],
)
def test_a_sidecar_that_cannot_be_trusted_stops_the_container(
    lab: Lab, spoil: Callable[[Path], object], why: str
) -> None:
    path = lab.wire()
    spoil(path)
    done = lab.run_hook(path, os.getpid())
    assert done.returncode == 1
    assert done.stderr.startswith("terok: container box not started: ")
    assert why in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_relative_or_winding_path_stops_the_container(lab: Lab) -> None:
    path = lab.wire()
    for other in (Path("box.json"), Path(f"{path.parent}/../sidecar/box.json")):
        assert "not absolute and plain" in lab.run_hook(other, os.getpid()).stderr


def test_without_supervisor_and_fork_server_the_container_does_not_start(lab: Lab) -> None:
    done = lab.run_hook(lab.wire(), os.getpid())
    assert done.returncode == 1
    assert "no supervisor is running" in done.stderr
    assert "terok-sandbox start box" in done.stderr


def test_it_hands_over_the_namespace_and_the_process(lab: Lab) -> None:
    path = lab.wire()
    seen: dict[str, Any] = {}

    def take(channel: socket.socket) -> None:
        frame = frames.receive(channel)
        assert frame is not None
        seen.update(frame.fields, kind=frame.kind, version=frame.version)
        seen["links"] = [os.readlink(f"/proc/self/fd/{number}") for number in frame.descriptors]
        frame.close()
        frames.send(channel, "ok")

    with supervisor_that(take, path):
        done = lab.run_hook(path, os.getpid(), container_id='quote " and \n line')
    assert (done.returncode, done.stderr) == (0, "")
    assert seen["kind"] == "handover"
    assert seen["version"] == frames.PROTOCOL
    assert seen["pid"] == os.getpid()
    assert seen["container_id"] == 'quote " and \n line'
    bundle = lab.bundle()
    assert seen["bundle"] == bundle
    assert seen["links"] == [os.readlink("/proc/self/ns/net"), "anon_inode:[pidfd]", f"{bundle}/config.json"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b'{"type": "error", "message": "bad rules\\u001b[31m\\nand more", "hint": "do this"}', "bad rules"),
        (b"{nonsense", "unreadable answer"),
        (b"[]", "unreadable answer"),
        (b'{"type": "okay"}', "refused"),
    ],
)
def test_any_answer_but_ok_stops_the_container(lab: Lab, answer: bytes, why: str) -> None:
    path = lab.wire()

    def refuse(channel: socket.socket) -> None:
        channel.recv(65536)
        channel.send(answer)

    with supervisor_that(refuse, path):
        done = lab.run_hook(path, os.getpid())
    assert done.returncode == 1
    assert why in done.stderr
    assert "\x1b" not in done.stderr
    assert done.stderr.count("\n") == 1


@given(st.binary(max_size=300) | st.dictionaries(st.text(), st.integers()).map(lambda one: json.dumps(one).encode()))
def test_its_parser_agrees_with_json(data: bytes) -> None:
    try:
        expected = json.loads(data.decode())
    except (ValueError, RecursionError):
        expected = None
    assert hook.parse(data) == (expected if isinstance(expected, dict) else None)


@given(st.dictionaries(st.text(), st.text() | st.integers()))
def test_its_writer_is_read_by_json(document: dict[str, Any]) -> None:
    assert json.loads(hook.written(document)) == document


@contextmanager
def supervisor_that(answers: Callable[[socket.socket], object], sidecar: Path) -> Iterator[None]:
    runtime_dir = Path(json.loads(sidecar.read_text())["runtime_dir"])
    listener = unix_sockets.listen(runtime_dir / "supervisor.sock")
    listener.setblocking(True)

    def serve() -> None:
        channel, _ = listener.accept()
        with channel:
            answers(channel)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        thread.join(10)
        listener.close()


def test_it_leaves_its_word_beside_the_container_s_logs(tmp_path: Path) -> None:
    (tmp_path / "hooks").mkdir()
    script = tmp_path / "hooks/hook.py"
    script.write_bytes(Path(hook.__file__).read_bytes())
    logs = tmp_path / "containers/box"
    logs.mkdir(parents=True)
    outside = tmp_path / "outside"
    for name in ("box", "box", "gone"):
        state = {"id": "x", "pid": 5, "annotations": {hook.ANNOTATION: f"/nowhere/{name}.json"}}
        words = ["/usr/bin/python3", "-I", "-S", str(script)]
        done = subprocess.run(words, input=json.dumps(state).encode(), capture_output=True)
        if name == "box" and not (logs / "hook.log").is_symlink():
            assert (logs / "hook.log").read_bytes() == done.stderr
            assert (logs / "hook.log").stat().st_mode & 0o777 == 0o600
            (logs / "hook.log").unlink()
            (logs / "hook.log").symlink_to(outside)
    assert not outside.exists()
