from __future__ import annotations

import socket
from pathlib import Path

import pytest
from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import SpecError
from terok_sandbox.launch.mounts import check_mount_sources
from terok_sandbox.launch.spec import VolumeSpec


@pytest.fixture
def config(tmp_path: Path) -> SandboxConfig:
    dirs = {name: tmp_path / "terok" / name for name in ("state_dir", "runtime_dir", "config_dir", "vault_dir")}
    for path in dirs.values():
        path.mkdir(parents=True)
    return SandboxConfig(**dirs)  # type: ignore[arg-type]


@pytest.fixture
def runtime_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "xdg"
    (path / "podman").mkdir(parents=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(path))
    return path


def check(config: SandboxConfig, source: Path, *, read_only: bool = False) -> None:
    check_mount_sources([VolumeSpec(source, "/x", read_only=read_only)], config)


def test_a_work_directory_and_a_file_pass(config: SandboxConfig, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "file").write_text("x")
    check(config, work)
    check(config, work / "file")
    check(config, config.config_dir, read_only=True)


@pytest.mark.attack("MOUNT-ENGINE-SOCKET")
def test_engine_sockets_are_refused_however_they_are_spelled(
    config: SandboxConfig, runtime_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("xdg/podman/podman.sock")
        link = tmp_path / "innocent"
        link.symlink_to(runtime_dir / "podman" / "podman.sock")
        (tmp_path / "parent").symlink_to(runtime_dir)
        for source in (
            runtime_dir / "podman/podman.sock",
            runtime_dir,
            runtime_dir / "podman",
            link,
            tmp_path / "parent",
        ):
            with pytest.raises(SpecError, match="container engine"):
                check(config, source, read_only=True)


@pytest.mark.attack("SOCK-2")
def test_an_engine_socket_of_another_place_is_known_by_its_name(config: SandboxConfig, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "docker.sock"))
        with pytest.raises(SpecError, match="container engine"):
            check(config, tmp_path / "docker.sock")


def test_the_sandbox_s_own_state_is_refused(config: SandboxConfig, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(config.vault_dir)
    for source in (
        config.vault_dir,
        config.state_dir,
        config.runtime_dir,
        tmp_path / "terok",
        tmp_path,
        Path("/"),
        link,
    ):
        with pytest.raises(SpecError):
            check(config, source, read_only=True)
    with pytest.raises(SpecError, match="state of the sandbox"):
        check(config, config.config_dir)


def test_a_missing_source_is_refused(config: SandboxConfig, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no such file"):
        check(config, tmp_path / "nowhere")
