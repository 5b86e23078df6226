from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import pytest
from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import SpecError
from terok_sandbox.launch import mounts
from terok_sandbox.launch.mounts import check_mount_sources, listening_below
from terok_sandbox.values.launch import VolumeSpec


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
    with pytest.raises(SpecError, match="settings"):
        check(config, config.config_dir)


@pytest.mark.attack("SOCK-1")
def test_doors_to_the_host_are_refused(config: SandboxConfig, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "bus"))
        for source in (
            tmp_path / "bus",
            Path("/dev/null"),
            Path("/dev/pts"),
            Path("/proc/self"),
            Path("/sys"),
            Path("/dev"),
        ):
            with pytest.raises(SpecError):
                check(config, source, read_only=True)


@pytest.mark.attack("SOCK-2")
def test_a_directory_with_an_engine_that_listens_is_refused_wherever_it_is(
    config: SandboxConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "work" / "of mine"
    place.mkdir(parents=True)
    check(config, place.parent)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place / "docker.sock"))
        with pytest.raises(SpecError, match="container engine"):
            check(config, place.parent)
    (place / "docker.sock").unlink()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}/own.sock")
    with pytest.raises(SpecError, match="container engine"):
        check(config, place)


def test_what_decides_what_the_host_runs_can_only_be_read(
    config: SandboxConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CONTAINERS_CONF", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    (tmp_path / "xdg/containers/containers.conf.d").mkdir(parents=True)
    (tmp_path / "xdg/systemd/user").mkdir(parents=True)
    for source in ("xdg", "xdg/containers", "xdg/containers/containers.conf.d", "xdg/systemd/user"):
        check(config, tmp_path / source, read_only=True)
        with pytest.raises(SpecError, match="settings"):
            check(config, tmp_path / source)
    with pytest.raises(SpecError, match="program"):
        check(config, Path(mounts.__file__).parent)


def test_another_name_of_a_directory_does_not_hide_what_it_is(
    config: SandboxConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bind mount, which needs a privilege: the same device and inode under another path."""
    alias = tmp_path / "alias"
    alias.mkdir()
    identity = mounts._identity
    monkeypatch.setattr(mounts, "_identity", lambda path: identity(config.vault_dir if path == alias else path))
    with pytest.raises(SpecError, match="state of the sandbox"):
        check(config, alias, read_only=True)


def test_a_missing_source_is_refused(config: SandboxConfig, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no such file"):
        check(config, tmp_path / "nowhere")


@contextmanager
def listening(path: Path, kind: int = socket.SOCK_STREAM) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX, kind) as server:
        server.bind(str(path))
        if kind != socket.SOCK_DGRAM:
            server.listen()
        yield


@pytest.mark.attack("SOCK-2")
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM])
def test_a_directory_with_a_socket_of_the_host_is_refused(config: SandboxConfig, tmp_path: Path, kind: int) -> None:
    """SOCK-2: a terminal multiplexer runs commands for whoever reaches its socket, also through a read-only mount."""
    work = tmp_path / "work"
    (work / "a/b").mkdir(parents=True)
    (work / "link").symlink_to(tmp_path)
    check(config, work)
    with listening(work / "a/b/s", kind):
        for source in (work, work / "a", work / "a/b"):
            with pytest.raises(SpecError, match="a/b/s") as refused:
                check(config, source, read_only=True)
            assert refused.value.hint
    check(config, work)
    (work / "a/b/s").unlink()
    long = work / ("n" * 100) / ("n" * 100)
    long.mkdir(parents=True)
    with chdir(long), listening(Path("s"), kind), pytest.raises(SpecError, match="listens"):
        check(config, work)


def test_a_socket_that_a_container_made_is_no_obstacle(config: SandboxConfig, tmp_path: Path) -> None:
    listen = "import socket, sys; s = socket.socket(1); s.bind(sys.argv[1]); s.listen(); print(1, flush=True)"
    script = f"{listen}; sys.stdin.read()"
    work = tmp_path / "work"
    work.mkdir()
    words = ["unshare", "-Ur", "--pid", "--fork", "--kill-child", sys.executable, "-c", script, str(work / "s")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as inside:
        assert inside.stdin is not None
        assert inside.stdout is not None
        inside.stdout.readline()
        check(config, work)
        inside.stdin.close()
        inside.wait(10)
    check(config, work)


@pytest.mark.parametrize("place", ["/tmp", "/var/tmp", "/run", "/run/user", "/var", "/"])
def test_where_programs_meet_is_refused(config: SandboxConfig, place: str) -> None:
    with pytest.raises(SpecError):
        check(config, Path(place), read_only=True)


def test_what_podman_keeps_is_refused(config: SandboxConfig, runtime_dir: Path, tmp_path: Path) -> None:
    store = tmp_path / "disk/containers"
    for path in (store / "overlay", runtime_dir / "libpod/tmp", runtime_dir / "containers"):
        path.mkdir(parents=True)
    for source in (store, store / "overlay", store.parent):
        with pytest.raises(SpecError, match="Podman"):
            check_mount_sources([VolumeSpec(source, "/x", read_only=True)], config, store=[str(store)])
    for source in (runtime_dir / "libpod/tmp", runtime_dir / "containers"):
        with pytest.raises(SpecError, match="Podman"):
            check(config, source, read_only=True)


def test_the_search_for_sockets_is_bounded(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / str(number)).touch()
    assert listening_below(tmp_path, limit=5) is None
    with pytest.raises(SpecError, match="more than 4") as refused:
        listening_below(tmp_path, limit=4)
    assert refused.value.hint
