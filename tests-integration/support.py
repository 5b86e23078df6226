"""What the integration tests share: running commands as a user does, and what a machine may lack."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
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


def unavailable(capability: str) -> str | None:
    """Return the listed reason why this machine cannot show ``capability``, if there is one."""
    entries = tomllib.loads((ROOT / "tools/unavailable.toml").read_text()).get("unavailable", [])
    conditions = {"any"} | ({"no-root"} if "TEROK_LAB" not in os.environ else set())
    return next((e["reason"] for e in entries if e["needs"] == capability and e["when"] in conditions), None)


def needs(capability: str, present: bool) -> None:
    """Fail the test when the machine lacks a capability, unless tools/unavailable.toml lists it with a reason."""
    if present:
        return
    if reason := unavailable(capability):
        pytest.skip(f"{capability}: {reason}")
    pytest.fail(f"this machine lacks {capability}, and tools/unavailable.toml does not list it")


def host_address() -> str:
    """Return the host's own address on its outgoing interface (nothing is sent: a datagram socket only looks it up)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.51.100.1", 9))
        return str(probe.getsockname()[0])


def tool(name: str) -> str:
    """Return a host tool's path; fail when it is not there (tools/bootstrap installs it)."""
    path = shutil.which(name)
    assert path, f"{name} is not on this machine; run tools/bootstrap"
    return path
