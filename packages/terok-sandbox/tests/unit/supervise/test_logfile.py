from __future__ import annotations

from pathlib import Path

from terok_sandbox.supervise.logfile import LogFile


def test_it_is_private_bounded_and_harmless(tmp_path: Path) -> None:
    path = tmp_path / "supervisor.log"
    log = LogFile(path, limit=1000)
    log.write(b"\x1b[31mred\x1b[0m\n")
    log.note("a note")
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"\x1b" not in path.read_bytes()
    assert "a note" in path.read_text()
    for number in range(200):
        log.write(f"line {number} {'x' * 50}\n".encode())
    log.close()
    assert sum(one.stat().st_size for one in tmp_path.iterdir()) < 2500
    assert {one.name for one in tmp_path.iterdir()} <= {"supervisor.log", "supervisor.log.1"}


def test_it_follows_no_link_and_survives_a_missing_directory(tmp_path: Path) -> None:
    (tmp_path / "supervisor.log").symlink_to(tmp_path / "victim")
    LogFile(tmp_path / "supervisor.log").note("x")
    assert not (tmp_path / "victim").exists()
    LogFile(tmp_path / "absent" / "supervisor.log").note("x")
