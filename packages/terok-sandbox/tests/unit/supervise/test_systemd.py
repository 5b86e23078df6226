from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from terok_sandbox import unix_sockets
from terok_sandbox.clearance import autostart
from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import SetupError
from terok_sandbox.supervise import client, systemd

HERE = Path(__file__).parent


def config(base: Path) -> SandboxConfig:
    return SandboxConfig(state_dir=base / "s", runtime_dir=base / "r", config_dir=base / "c", vault_dir=base / "v")


def test_units_name_this_interpreter_and_these_directories(tmp_path: Path) -> None:
    text = systemd.service_unit(config(tmp_path), {"TEROK_VAULT_DIR": '/a b/%u"$x', "SECRET": "x"})
    settings = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    argv = shlex.split(settings["ExecStart"])
    assert argv[:4] == [sys.executable, "-P", "-m", "terok_sandbox.supervise.forkserver"]
    assert argv[-1] == str(tmp_path / "s")
    assert settings["KillMode"] == "process", "supervisors outlive the fork server"
    assert settings["Environment"] == r'"TEROK_VAULT_DIR=/a b/%%u\"$x"'
    assert "SECRET" not in text
    assert f"ListenSequentialPacket={tmp_path}/r/forkserver.sock\n" in systemd.socket_unit(config(tmp_path))


def test_systemd_takes_every_line_of_the_units(tmp_path: Path) -> None:
    cfg = config(tmp_path / 'a b"%u$x')
    units = {
        systemd.SOCKET_UNIT: systemd.socket_unit(cfg),
        systemd.SERVICE_UNIT: systemd.service_unit(cfg, {"TEROK_VAULT_DIR": '/a b/%u"$x'}),
        "notifier.service": autostart.render_unit("/bin/true"),
    }
    for name, text in units.items():
        (tmp_path / name).write_text(text)
    words = ["systemd-analyze", "--user", "verify", *(str(tmp_path / name) for name in units)]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_path_cannot_add_a_setting(tmp_path: Path) -> None:
    with pytest.raises(SetupError):
        systemd.socket_unit(config(tmp_path / "x\nExecStart=evil"))


def test_without_a_systemd_of_the_user_nothing_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("TEROK_ROOT", raising=False)
    assert "no systemd" in systemd.install_units(config(tmp_path))
    assert not (tmp_path / "config").exists()
    assert systemd.remove_units(config(tmp_path)) == "none installed"


def test_units_are_installed_once_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "systemd").mkdir()
    (tmp_path / "systemd/private").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("TEROK_ROOT", raising=False)
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(systemd, "_systemctl", lambda *words: calls.append(words))
    assert "installed" in systemd.install_units(config(tmp_path))
    systemd.install_units(config(tmp_path))
    assert [words[0] for words in calls] == ["daemon-reload", "enable", "enable"]
    monkeypatch.setenv("TEROK_ROOT", "/another/installation")
    assert "private" in systemd.install_units(config(tmp_path / "other"))
    assert systemd.remove_units(config(tmp_path / "other")) == "none installed"
    assert str(tmp_path / "r") in (tmp_path / "config/systemd/user" / systemd.SOCKET_UNIT).read_text()
    monkeypatch.delenv("TEROK_ROOT")
    assert systemd.remove_units(config(tmp_path)) == "removed"
    assert list((tmp_path / "config/systemd/user").iterdir()) == []


def activate(runtime: Path, listener: socket.socket, **settings: Any) -> subprocess.Popen[bytes]:
    """Start the fork server as systemd does: the listener is descriptor 3."""
    command = f"LISTEN_FDS=1 LISTEN_PID=$$ exec {sys.executable} {HERE / 'dummy_workers.py'} {runtime} '{{}}'"
    held = os.dup(listener.fileno())
    try:
        return subprocess.Popen(["bash", "-c", f"exec 3<&{held} {held}<&-; {command}"], pass_fds=(held,))
    finally:
        os.close(held)


def test_a_passed_socket_is_served_and_outlives_the_server(tmp_path: Path) -> None:
    cfg = config(tmp_path)
    cfg.runtime_dir.mkdir(mode=0o700)
    listener = unix_sockets.listen(cfg.forkserver_socket)
    first = activate(cfg.runtime_dir, listener)
    try:
        assert client.forkserver_status(cfg)["pid"] == first.pid
        assert client.stop_forkserver(cfg)
        assert first.wait(5) == 0
        assert cfg.forkserver_socket.exists(), "the socket is systemd's"
        second = activate(cfg.runtime_dir, listener)
        try:
            assert client.forkserver_status(cfg)["pid"] == second.pid
        finally:
            second.send_signal(signal.SIGTERM)
            second.wait(5)
    finally:
        first.kill()
        first.wait()
        listener.close()
