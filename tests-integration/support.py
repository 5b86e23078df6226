"""Helpers of the integration tests: commands run as a user runs them, and capabilities that a machine may lack."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import lab  # noqa: E402 - the laboratory's own numbers

BASE = "mmdebstrap:trixie"


@dataclass(frozen=True)
class Done:
    """One finished command as a user sees it."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    def json(self) -> dict:
        return json.loads(self.out)


@dataclass(frozen=True)
class Shell:
    """Runs commands in the private environment; every call is bounded in time."""

    environment: dict[str, str]
    cwd: Path

    def __call__(
        self, *argv: str, code: int | None = 0, timeout: float = 120, env: dict[str, str] | None = None, stdin: str = ""
    ) -> Done:
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            cwd=self.cwd,
            env={**self.environment, **(env or {})},
            check=False,
        )
        result = Done(done.returncode, done.stdout, done.stderr)
        assert "Traceback (most recent call last)" not in result.text, result.text
        if code is not None:
            assert result.code == code, f"{' '.join(argv)} ended with {result.code}:\n{result.text}"
        return result


class Terminal:
    """A command on a pseudo-terminal."""

    def __init__(self, sh: Shell, *argv: str) -> None:
        self.master, slave = pty.openpty()
        environment = {**sh.environment, "TERM": "xterm", "COLUMNS": "200", "LINES": "50"}
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=sh.cwd, start_new_session=True
        )
        os.close(slave)
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def expect(self, text: str, timeout: float = 180.0) -> None:
        self.wait(lambda: text in self.seen, lambda: f"{text!r} never came:\n{self.seen[-3000:]}", timeout)

    def wait(self, condition: Callable[[], bool], failure: Callable[[], str], timeout: float = 180.0) -> None:
        """Read output until the condition holds."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, failure()
            ready, _, _ = select.select([self.master], [], [], 0.5)
            if ready:
                try:
                    self.seen += os.read(self.master, 65536).decode(errors="replace")
                except OSError:
                    assert condition(), f"the terminal ended; {failure()}\n{self.seen[-2000:]}"

    def end(self) -> None:
        if self.process.returncode is not None:
            return
        self.process.kill()
        self.process.wait(timeout=10)
        os.close(self.master)


def unavailable(capability: str) -> str | None:
    """Return the listed reason why this machine lacks `capability`, if there is one."""
    entries = tomllib.loads((ROOT / "tools/unavailable.toml").read_text()).get("unavailable", [])
    conditions = {"any"} | ({"no-root"} if "TEROK_LAB" not in os.environ else set())
    return next((e["reason"] for e in entries if e["needs"] == capability and e["when"] in conditions), None)


def needs(capability: str, present: bool) -> None:
    """Fail the test if the machine lacks a capability, unless tools/unavailable.toml lists it with a reason."""
    if present:
        return
    if reason := unavailable(capability):
        pytest.skip(f"{capability}: {reason}")
    pytest.fail(f"this machine lacks {capability}, and tools/unavailable.toml does not list it")


def contacts(*, since: int = 0) -> list[dict]:
    """Return the contacts of the laboratory network so far, without the first `since`.

    What is under way is waited for: each socket there takes a contact of ours behind all that came before.
    """
    needs("lab", "TEROK_LAB" in os.environ)
    record, fence = Path(os.environ["TEROK_LAB"]), set()
    for port in lab.TCP_PORTS:
        with socket.create_connection((lab.FENCE, port), timeout=60) as one:
            fence.add((port, one.getsockname()[1]))
    for port in lab.UDP_PORTS:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.sendto(lab.FENCE.encode(), (lab.FENCE, port))
            fence.add((port, one.getsockname()[1]))
    deadline = time.monotonic() + 60
    while True:
        rows = [json.loads(line) for line in record.read_text().splitlines(keepends=True) if line.endswith("\n")]
        ours = [row for row in rows if row["to"].endswith(lab.FENCE)]
        if fence <= {(row["port"], row["from_port"]) for row in ours}:
            return [row for row in rows if not row["to"].endswith(lab.FENCE)][since:]
        assert time.monotonic() < deadline, "the laboratory does not answer"
        time.sleep(0.02)


def host_address() -> str:
    """Return the host's own address on its outgoing interface; a datagram socket looks it up and sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.51.100.1", 9))
        return str(probe.getsockname()[0])


def tool(name: str) -> str:
    """Return a host tool's path; fail if it is missing (tools/bootstrap installs it)."""
    path = shutil.which(name)
    assert path, f"{name} is not on this machine; run tools/bootstrap"
    return path
