from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from terok.cli import main
from terok.cli.setup_parts import MARK, UNIT, Homes, controller_unit, desktop_entry


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a person's home, with a systemd of the user, and a host that needs nothing."""
    for name in ("TEROK_ROOT", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    (tmp_path / "run/systemd").mkdir(parents=True)
    (tmp_path / "run/systemd/private").touch()
    monkeypatch.setattr("terok.cli.setup._below", lambda verb, **options: 0)
    return tmp_path


def files(home: Path) -> dict[str, str]:
    """Return everything below a home but the directory of sockets."""
    return {
        str(path.relative_to(home)): str(path.readlink()) if path.is_symlink() else path.read_text()
        for path in sorted(home.rglob("*"))
        if (path.is_file() or path.is_symlink()) and path.relative_to(home).parts[0] != "run"
    }


def test_setup_twice_is_setup_once_and_uninstall_leaves_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["setup"]) == 0
    first, said = files(home), capsys.readouterr().out
    assert f".config/systemd/user/default.target.wants/{UNIT}" in first
    assert {".local/share/bash-completion/completions/terokctl", ".local/share/applications/terok.desktop"} <= set(
        first
    )
    assert ".local/share/zsh/site-functions" in said and "completions: installed" in said
    assert "next: terok auth" in said
    assert main(["setup"]) == 0
    assert files(home) == first
    assert "completions: up to date" in capsys.readouterr().out
    assert main(["uninstall"]) == 0
    assert files(home) == {}


def test_what_is_not_wanted_is_not_touched(home: Path) -> None:
    every = ["--no-completions", "--no-desktop-entry", "--no-units", "--no-notifier"]
    assert main(["setup", *every]) == 0
    assert files(home) == {}
    for number, option in enumerate(every):
        assert main(["setup", *every[:number], *every[number + 1 :]]) == 0
        assert files(home), option
        assert main(["uninstall", *every[:number], *every[number + 1 :]]) == 0
        assert files(home) == {}


def test_files_of_somebody_else_stay(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = home / ".config/fish/completions/terok.fish"
    own.parent.mkdir(parents=True)
    own.write_text("# mine\n")
    assert main(["setup"]) == 0
    assert f"completions: left alone: {own} is not terok's" in capsys.readouterr().out
    assert main(["uninstall"]) == 0
    assert own.read_text() == "# mine\n"


def test_a_private_installation_leaves_the_home_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path / "private"))
    assert main(["setup"]) == 0
    assert files(home) == {}


def test_without_systemd_there_is_no_unit(home: Path) -> None:
    (home / "run/systemd/private").unlink()
    assert main(["setup", "--no-notifier"]) == 0
    assert not [name for name in files(home) if "systemd" in name]


def exec_words(entry: str) -> list[str]:
    """Return the command of a desktop entry as desktops read it: string escapes, then quotes, then percent signs."""
    line = next(line for line in entry.splitlines() if line.startswith("Exec=")).removeprefix("Exec=")
    unescaped = re.sub(r"\\(.)", lambda match: {"s": " ", "n": "\n"}.get(match[1], match[1]), line)
    words = [quoted or plain for quoted, plain in re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', unescaped)]
    return [re.sub(r"\\(.)", r"\1", word).replace("%%", "%") for word in words]


@pytest.mark.parametrize("place", ["plain", "with space", "it's", 'a"b', "a$HOME", "100%", "back\\slash", "tick`s"])
def test_the_desktop_entry_starts_a_program_wherever_it_is(place: str, tmp_path: Path) -> None:
    program = tmp_path / place / "terok"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho started $1\n")
    program.chmod(0o755)
    part = desktop_entry(Homes(tmp_path, tmp_path), str(program))
    (text,) = part.files.values()
    assert text.startswith(f"[Desktop Entry]\n{MARK}\n")
    done = subprocess.run(
        exec_words(text), env={**os.environ, "SHELL": "/bin/true"}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "started status\n", done.stderr


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    python = tmp_path / "with space 100% $x" / "python3"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    part = controller_unit(Homes(tmp_path, tmp_path), str(python))
    (text,) = part.files.values()
    unit = tmp_path / UNIT
    unit.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "--user", "--recursive-errors=no", "verify", str(unit)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert MARK in text
