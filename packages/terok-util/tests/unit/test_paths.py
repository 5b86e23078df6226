from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from terok_util import PathError, namespace_config_dir, namespace_runtime_dir, namespace_state_dir, paths

ALL = [namespace_state_dir, namespace_config_dir, namespace_runtime_dir]


@pytest.fixture(autouse=True)
def _user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TEROK_ROOT", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "OWN_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(paths, "is_host_root", lambda: False)
    monkeypatch.setattr(paths, "_SESSIONS", tmp_path / "no-sessions")


def test_user_defaults(tmp_path: Path) -> None:
    assert namespace_state_dir("sandbox") == tmp_path / ".local/share/terok/sandbox"
    assert namespace_config_dir() == tmp_path / ".config/terok"
    assert namespace_runtime_dir("x") == tmp_path / ".local/share/terok/run/x"


def test_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("DATA_HOME", "d"), ("CONFIG_HOME", "c"), ("RUNTIME_DIR", "r")):
        monkeypatch.setenv(f"XDG_{name}", str(tmp_path / value))
    (tmp_path / "r").mkdir(mode=0o700)
    assert [of("s") for of in ALL] == [tmp_path / "d/terok/s", tmp_path / "c/terok/s", tmp_path / "r/terok/s"]
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert namespace_state_dir() == tmp_path / ".local/share/terok"


def test_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "is_host_root", lambda: True)
    assert namespace_state_dir("a") == Path("/var/lib/terok/a")
    assert namespace_config_dir() == Path("/etc/terok")


def test_one_root_for_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/no/such/dir")
    assert [of("s") for of in ALL] == [tmp_path / "state/s", tmp_path / "config/s", tmp_path / "run/s"]


@pytest.mark.parametrize("of", ALL)
def test_own_variable_is_the_complete_directory(
    of: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path))
    monkeypatch.setenv("OWN_DIR", "/somewhere/own")
    assert of("sub", env_var="OWN_DIR") == Path("/somewhere/own")
    monkeypatch.setenv("OWN_DIR", "own")
    with pytest.raises(PathError, match="OWN_DIR must be an absolute path"):
        of(env_var="OWN_DIR")
    monkeypatch.setenv("OWN_DIR", "")
    assert of("sub", env_var="OWN_DIR").is_relative_to(tmp_path)


@pytest.mark.parametrize("of", ALL)
@pytest.mark.parametrize("sub", ["/etc", "..", "a/../../b", "a\0b"])
def test_sub_stays_below(of: Callable[..., Path], sub: str) -> None:
    with pytest.raises(PathError, match="must stay below"):
        of(sub)


@pytest.mark.parametrize("where", ["session", "ours"])
def test_runtime_directory_must_be_private(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = tmp_path / "session"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(session))
    with pytest.raises(PathError, match="runtime directory is missing"):
        namespace_runtime_dir()
    (session / "terok").mkdir(parents=True, mode=0o700)
    session.chmod(0o700)
    assert namespace_runtime_dir() == session / "terok"
    bad = session if where == "session" else session / "terok"
    bad.chmod(0o755)
    with pytest.raises(PathError, match="mode 0755 instead of 0700") as caught:
        namespace_runtime_dir()
    assert caught.value.hint == f"chmod 0700 {bad}"
    bad.chmod(0o700)
    euid = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: euid + 1)
    with pytest.raises(PathError, match=f"belongs to user {euid}"):
        namespace_runtime_dir()


def test_runtime_directory_is_not_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path))
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PathError, match="not a directory"):
        namespace_runtime_dir()
