"""The program in the container that starts and ends what speaks ACP; here with programs of this host."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import pytest

SOURCE = files("terok_executor") / "resources" / "image" / "terok-adapter.py"
STUBBORN = "trap '' TERM; echo up; while :; do read -r _ || :; done"
"""A program that minds neither the end of its input nor SIGTERM."""
FAMILY = "setsid sh -c 'trap \"\" TERM; echo $$; exec sleep 20' & read -r line; exit 3"
"""A program that leaves a child in a session of its own."""

Start = Callable[..., subprocess.Popen[bytes]]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Give the program, for an image in `tmp_path`, and with a tenth of the patience."""
    path = tmp_path / "terok-adapter"
    text = SOURCE.read_text()
    for old, new in (
        ("/etc/terok/", f"{tmp_path}/"),
        ("/home/dev/", f"{tmp_path}/home/"),
        ("/tmp/terok-empty", f"{tmp_path}/empty"),
        ("GRACE = 2.0", "GRACE = 0.2"),
    ):
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return path


@pytest.fixture
def start(program: Path, tmp_path: Path) -> Iterator[Start]:
    """Give a function that runs the adapter of an agent `one` whose program is a shell script."""
    children = []

    def run(script: str, ident: str = "x-1", stop_signal: str = "eof") -> subprocess.Popen[bytes]:
        acp = {"command": ["sh", "-c", script], "env": {"OWN": "of the image"}, "stop_signal": stop_signal}
        installed = [{"name": "one", "version": "1", "acp": acp}, {"name": "other", "version": "2"}]
        (tmp_path / "installed.json").write_text(json.dumps(installed))
        words = [sys.executable, "-IS", str(program), "run", "one", *([ident] if ident else [])]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        children.append(subprocess.Popen(words, **pipes, env={"PATH": os.environ["PATH"], "TEROK_AGENT": "one"}))  # type: ignore[call-overload]
        return children[-1]

    yield run
    call(program, "stop", "")
    for child in children:
        child.wait(20)
        for stream in (child.stdin, child.stdout, child.stderr):
            assert stream is not None
            stream.close()


def call(program: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "TEROK_AGENT": "one"}
    argv = [sys.executable, "-IS", str(program), *words]
    return subprocess.run(argv, input=stdin, env=env, capture_output=True, text=True, timeout=30)


def test_streams_variables_and_the_exit_code_are_the_program_s(start: Start) -> None:
    child = start('echo "$OWN $TEROK_ADAPTER"; cat; echo said >&2; exit 7')
    out, err = child.communicate(b"a line\n", timeout=20)
    assert (out, err, child.returncode) == (b"of the image x-1\na line\n", b"said\n", 7)


@pytest.mark.parametrize("stop_signal", ["eof", "term"])
def test_the_end_of_the_input_ends_a_program_that_minds_nothing(start: Start, stop_signal: str) -> None:
    child = start(STUBBORN, stop_signal=stop_signal)
    assert child.stdout is not None and child.stdin is not None
    assert child.stdout.readline() == b"up\n"
    child.stdin.close()
    assert child.wait(20) == 128 + signal.SIGKILL


def test_input_that_nobody_reads_hides_no_hang_up(start: Start) -> None:
    child = start("trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done")
    assert child.stdout is not None and child.stdin is not None
    child.stdout.readline()
    child.stdin.write(b"unread\n")
    child.stdin.close()
    assert child.wait(20) == 5


def test_what_a_program_leaves_behind_ends_with_it(start: Start) -> None:
    child = start(FAMILY)
    assert child.stdout is not None and child.stdin is not None
    left = int(child.stdout.readline())
    child.stdin.write(b"go\n")
    child.stdin.flush()
    assert child.stdout.read() == b"", "the stream ends, though what was left had it open"
    assert child.wait(20) == 3
    assert not alive(left)


def test_only_those_of_a_prefix_are_ended(start: Start, program: Path) -> None:
    ours, other, own = start(STUBBORN, "x-1"), start(STUBBORN, "y-1"), start(STUBBORN, "")
    for child in (ours, other, own):
        assert child.stdout is not None and child.stdout.readline() == b"up\n"
    listed = json.loads(call(program, "list").stdout)
    assert listed == [{"name": "one", "version": "1", "ready": True, "running": 3}]
    done = call(program, "stop", "x-")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"left": []})
    assert ours.wait(20) == 128 + signal.SIGKILL
    assert other.poll() is None and own.poll() is None


def test_a_killed_parent_leaves_nothing_that_stop_does_not_find(start: Start, program: Path) -> None:
    child = start(FAMILY, "z-1")
    assert child.stdout is not None
    left = int(child.stdout.readline())
    child.kill()
    child.wait(20)
    assert alive(left), "the program itself ends with its parent, what it started does not"
    assert call(program, "stop", "z-").returncode == 0
    assert not alive(left)


def test_an_agent_beside_the_task_s_own_is_equipped(start: Start, program: Path, tmp_path: Path) -> None:
    config = f"{tmp_path}/home/.one/deep/config.json"
    given = {"env": {"OWN": "hidden by the image", "TOKEN": "t1"}, "files": {config: "{}\n"}}
    start("", "w-1").communicate()
    for token in ("t1", "t2"):
        given["env"]["TOKEN"] = token  # type: ignore[index]
        assert call(program, "equip", "one", stdin=json.dumps(given)).returncode == 0
    assert (Path(config).read_text(), Path(config).stat().st_mode & 0o777) == ("{}\n", 0o600)
    out, _ = start('echo "$OWN $TOKEN"').communicate(timeout=20)
    assert out == b"of the image t2\n"
    for outside in ("/etc/x", f"{tmp_path}/home/../x", f"{tmp_path}/homes"):
        assert call(program, "equip", "one", stdin=json.dumps({"env": {}, "files": {outside: ""}})).returncode == 2
        assert not Path(outside).exists()


def test_what_is_not_there_is_said(start: Start, program: Path) -> None:
    child = start("exec /nowhere/to/be/found")
    assert child.communicate(timeout=20)[1] and child.returncode == 127
    done = call(program, "run", "other")
    assert (done.returncode, "no program for other" in done.stderr) == (127, True)
    assert call(program, "walk").returncode == 2
