from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from terok_sandbox import hygiene
from terok_sandbox.supervise import landlock
from terok_sandbox.supervise.landlock import Confinement


def test_an_old_kernel_gets_only_the_rights_it_knows(tmp_path: Path) -> None:
    allowed = Confinement(
        read=(Path("/r"),), execute=(Path("/x"),), write=(Path("/w"), Path("/r")), devices=(Path("/d"),)
    )
    for abi in range(1, 9):
        granted = landlock.rules(allowed, abi)
        assert all(right | landlock.rights(abi) == landlock.rights(abi) for right in granted.values())
        assert not granted[Path("/w")] & (landlock.EXECUTE | landlock.IOCTL_DEV)
        assert granted[Path("/r")] & landlock.WRITE_FILE, "a path of two kinds has the rights of both"
        assert granted[Path("/x")] & ~(landlock.READ_FILE | landlock.READ_DIR) == landlock.EXECUTE
    assert not landlock.rights(2) & landlock.TRUNCATE
    assert landlock.rights(3) & landlock.TRUNCATE
    assert "TCP" not in landlock.describe(3)
    assert "not supported" in landlock.describe(0)


def confined(allowed: Confinement, attempts: dict[str, Callable[[], object]]) -> dict[str, str]:
    """Return what became of each attempt in a process confined to *allowed*."""
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            hygiene.gain_nothing()
            landlock.enter(allowed)
            for name, attempt in attempts.items():
                try:
                    attempt()
                    os.write(there, f"{name}=done\n".encode())
                except OSError as error:
                    os.write(there, f"{name}={type(error).__name__}\n".encode())
        finally:
            os._exit(0)
    os.close(there)
    with os.fdopen(here) as told:
        found = dict(line.strip().split("=") for line in told)
    os.waitpid(child, 0)
    return found


def test_a_confined_process_reaches_its_lane_and_nothing_else(tmp_path: Path) -> None:
    for name in ("read", "write", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    second = socket.create_server(("127.0.0.1", 0))
    bystander = subprocess.Popen(["sleep", "60"])
    allowed = Confinement(read=(tmp_path / "read", tmp_path / "missing"), write=(tmp_path / "write",), connect=(port,))
    attempts: dict[str, Callable[[], object]] = {
        "read": (tmp_path / "read/file").read_text,
        "change what is only read": lambda: (tmp_path / "read/file").write_text("y"),
        "write": lambda: (tmp_path / "write/new").write_text("y"),
        "replace": lambda: (tmp_path / "write/new").replace(tmp_path / "write/file"),
        "read another": (tmp_path / "other/file").read_text,
        "list another": lambda: os.listdir(tmp_path / "other"),
        "execute": lambda: os.execv("/bin/true", ["true"]),
        "connect": lambda: socket.socket().connect(("127.0.0.1", port)),
        "connect elsewhere": lambda: socket.socket().connect(second.getsockname()),
        "bind": lambda: socket.socket().bind(("127.0.0.1", 0)),
        "signal a bystander": lambda: os.kill(bystander.pid, signal.SIGTERM),
        "look into a bystander": (Path(f"/proc/{bystander.pid}/environ")).read_bytes,
    }
    abi = landlock.supported()
    try:
        became = confined(allowed, attempts)
        allowed = {"read", "write", "replace", "connect"} if abi else set(attempts)
        if abi < 4:
            allowed |= {"connect elsewhere", "bind"}
        if abi < 6:
            allowed |= {"signal a bystander"}
        assert {name for name, outcome in became.items() if outcome == "done"} == allowed
        assert became["read another"] == "PermissionError"
    finally:
        bystander.kill()
        bystander.wait()
        server.close()
        second.close()


def test_a_kernel_without_landlock_is_said_to_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "supported", lambda: 0)
    assert landlock.enter(Confinement()) == "not supported by this kernel"
