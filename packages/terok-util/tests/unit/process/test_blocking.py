from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from terok_util import process, register_secret

Runner = Callable[..., process.Completed]


def _run_async(*args: object, **keywords: object) -> process.Completed:
    return asyncio.run(process.run_async(*args, **keywords))  # type: ignore[arg-type]


@pytest.fixture(params=[process.run, _run_async], ids=["blocking", "async"])
def run(request: pytest.FixtureRequest) -> Runner:
    return request.param  # type: ignore[no-any-return]


def children() -> set[str]:
    own = Path(f"/proc/self/task/{os.getpid()}/children")
    return set(own.read_text().split())


def alive(marker: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in entry.read_bytes():
                found.append(entry.parent.name)
        except OSError:
            continue
    return found


def test_input_and_output_larger_than_the_pipes(run: Runner) -> None:
    data = os.urandom(3_000_000)
    done = run(["sh", "-c", "tee /dev/stderr"], timeout=20, input=data)
    assert (done.returncode, done.stdout, done.stderr) == (0, data, data)


def test_child_that_ignores_its_input(run: Runner) -> None:
    assert run(["true"], timeout=10, input=b"x" * 1_000_000).returncode == 0


def test_stdin_is_empty_and_other_descriptors_are_closed(run: Runner) -> None:
    kept, passed = os.pipe()
    os.set_inheritable(kept, True)
    try:
        done = run(["sh", "-c", "cat; ls /proc/self/fd; tty"], timeout=10, pass_fds=[passed], check=False)
        descriptors = done.text.split()
        assert str(passed) in descriptors
        assert str(kept) not in descriptors
    finally:
        os.close(kept)
        os.close(passed)


def test_file_as_input(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"from a file")
    with (tmp_path / "in").open("rb") as file:
        assert run(["cat"], timeout=10, stdin=file).text == "from a file"


def test_time_out_ends_the_whole_tree_even_what_left_the_group(run: Runner) -> None:
    before = children()
    script = "trap '' TERM; setsid sleep 71.5 & sleep 71.5 & wait; sleep 71.5"
    started = time.monotonic()
    with pytest.raises(process.ProcessTimeout) as caught:
        run(["sh", "-c", script], timeout=0.3)
    assert time.monotonic() - started < 5
    assert caught.value.program == "sh"
    assert caught.value.timeout == 0.3
    assert "sh did not finish within 0.3 s" in caught.value.message
    assert alive("71.5") == []
    assert children() == before


def test_daemon_holding_the_pipes_does_not_hold_us(run: Runner) -> None:
    started = time.monotonic()
    done = run(["sh", "-c", "setsid sleep 3.25 & echo started"], timeout=30)
    assert done.text == "started\n"
    assert time.monotonic() - started < 2.5


def test_output_is_bounded(run: Runner) -> None:
    before = children()
    with pytest.raises(process.OutputTooLarge, match="more than 1000 bytes of output from yes"):
        run(["yes"], timeout=10, max_output=1000)
    assert children() == before


def test_secrets_are_masked_in_output_and_messages(run: Runner) -> None:
    register_secret("registered-s3cret")
    script = "echo given-s3cret registered-s3cret; echo given-s3cret >&2; echo registered-s3cret >&2; exit 3"
    with pytest.raises(process.ProcessFailed) as caught:
        run(["sh", "-c", script, "given-s3cret"], timeout=10, redact=["given-s3cret"])
    error = caught.value
    assert "sh exited with status 3" in error.message
    assert "s3cret" not in error.message
    assert b"given-s3cret" not in error.completed.stdout + error.completed.stderr
    assert "s3cret" not in repr(error.completed)


def test_messages_carry_no_terminal_commands(run: Runner) -> None:
    with pytest.raises(process.ProcessFailed) as caught:
        run(["sh", "-c", r"printf 'bad\033]52;c;x\007' >&2; kill -9 $$"], timeout=10)
    assert "was killed by SIGKILL" in caught.value.message
    assert caught.value.message.replace("\n", "").isprintable()


def test_without_check_the_status_is_returned(run: Runner) -> None:
    assert run(["sh", "-c", "exit 4"], timeout=10, check=False).returncode == 4


def test_environment_and_directory(run: Runner, tmp_path: Path) -> None:
    done = run(["sh", "-c", "echo $A; pwd; echo $HOME"], timeout=10, env={"A": "1"}, cwd=tmp_path)
    assert done.text.splitlines() == ["1", str(tmp_path), ""]


def test_what_cannot_be_started(run: Runner, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    with pytest.raises(process.ToolNotFound, match="no-such-tool") as missing:
        run(["no-such-tool"], timeout=10)
    assert missing.value.hint
    with pytest.raises(process.ToolNotFound, match="cannot run here"):
        run([str(broken)], timeout=10)
    with pytest.raises(process.ProcessError, match="cannot start in directory"):
        run(["true"], timeout=10, cwd=tmp_path / "absent")
    with pytest.raises(process.ProcessError, match="NUL byte in an argument of echo"):
        run(["echo", "a\0b"], timeout=10)
    with pytest.raises(process.ProcessError, match="cannot be passed on: A"):
        run(["true"], timeout=10, env={"A": "1\0secret"})
    with pytest.raises(process.ProcessError, match="not one string"):
        run("true", timeout=10)
    with pytest.raises(process.ProcessError, match="must name a program"):
        run([], timeout=10)


def test_memory_is_limited_for_children_of_the_child_too() -> None:
    script = f"read line; exec {sys.executable} -c 'bytearray(200_000_000)'"
    for memory, code in ((100_000_000, 1), (400_000_000, 0)):
        done = process.run(["sh", "-c", script], timeout=20, input=b"go\n", memory=memory, check=False)
        assert (done.returncode, "MemoryError" in done.err_text) == (code, bool(code)), done.err_text


def test_stream_hands_over_merged_lines() -> None:
    register_secret("streamed-s3cret")
    lines: list[str] = []
    script = r"echo a; echo streamed-s3cret >&2; printf 'crlf\r\n'; printf '\377'; exit 2"
    assert process.stream(["sh", "-c", script], lines.append, timeout=10, check=False) == 2
    assert lines == ["a", "[redacted]", "crlf", r"\xff"]
    with pytest.raises(process.ProcessFailed):
        process.stream(["false"], lines.append, timeout=10)


def test_stream_ends_the_child_when_the_reader_fails() -> None:
    before = children()

    def refuse(line: str) -> None:
        raise ValueError(line)

    with pytest.raises(ValueError, match="y"):
        process.stream(["yes"], refuse, timeout=10)
    assert children() == before
