from __future__ import annotations

import os
import subprocess
import sys

import pytest
from terok_util import process


def test_group_session_and_preexec() -> None:
    read, write = os.pipe()
    plain = process.spawn(["sleep", "76"], preexec=lambda: os.write(write, b"ran") and None)
    detached = process.spawn(["sleep", "76"], detach=True)
    try:
        assert os.read(read, 3) == b"ran"
        assert os.getpgid(plain.pid) == plain.pid
        assert os.getsid(plain.pid) == os.getsid(0)
        assert os.getsid(detached.pid) == detached.pid
    finally:
        process.kill_tree(plain)
        process.kill_tree(detached)
        os.close(read)
        os.close(write)


def test_failing_preexec_is_ours() -> None:
    def fail() -> None:
        raise RuntimeError("no")

    with pytest.raises(process.ProcessError, match="cannot start"):
        process.spawn(["true"], preexec=fail)


def test_exec_replace() -> None:
    code = "import sys; from terok_util import process; print('before'); process.exec_replace(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, "sh", "-c", "echo after; exit 5"], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("before\nafter\n", 5)
    with pytest.raises(process.ToolNotFound):
        process.exec_replace(["no-such-tool"])
