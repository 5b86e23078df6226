from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import ConfigError, SandboxError


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("TEROK_SANDBOX_STATE_DIR", "TEROK_SANDBOX_RUNTIME_DIR", "TEROK_VAULT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path))
    return tmp_path


def test_paths_follow_terok_root_and_nothing_is_created(root: Path) -> None:
    config = SandboxConfig()
    assert config.sidecar_path("box") == root / "state/sandbox/sidecar/box.json"
    assert config.container_state_dir("box") == root / "state/sandbox/containers/box"
    assert config.guest_dir("box") == root / "run/sandbox/run/box/guest"
    assert config.db_path == root / "state/vault/credentials.db"
    assert config.hooks_dir == root / "state/sandbox/hooks"
    assert list(root.iterdir()) == []
    config.ensure_container_dirs("box")
    assert config.guest_dir("box").stat().st_mode & 0o777 == 0o700


@given(st.text())
def test_only_container_names_become_paths(name: str) -> None:
    base = Path("/nowhere")
    config = SandboxConfig(state_dir=base, runtime_dir=base, config_dir=base, vault_dir=base)
    for method in (config.sidecar_path, config.container_state_dir, config.container_runtime_dir):
        try:
            path = method(name)
        except SandboxError:
            continue
        assert name in path.name
        assert path.parent.parent == base
        assert name not in (".", "..")


def test_the_configuration_file_is_applied(root: Path) -> None:
    assert SandboxConfig.load() == SandboxConfig()
    config_file = SandboxConfig().config_file
    config_file.parent.mkdir(parents=True)
    config_file.write_text(
        "image:\n  anything: goes\ncredentials:\n  passphrase_command: [pass, show, terok]\n"
        "shield:\n  mode: airlock\n  profiles: [python]\n"
        "gate:\n  security_class: online\nrun:\n  shutdown_timeout: 3\nservices:\n"
    )
    config = SandboxConfig.load()
    assert config.credentials_passphrase_command == ("pass", "show", "terok")
    assert (config.shield_mode, config.shield_profiles) == ("airlock", ("python",))
    assert config.security_class == "online"
    assert config.shutdown_timeout == 3


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("shield:\n  mod: airlock\n", "config.yml:2: shield.mod"),
        ("run:\n  shutdown_timeout: 3\nsheild:\n  mode: airlock\n", "config.yml:3: sheild: unknown section"),
        ("budget:\n  task:\n    cost: 3\n", "config.yml:3: budget.task.cost"),
        ("budget:\n  task: {cost_usd: -1}\n", "config.yml:2: budget.task.cost_usd"),
        ("shield:\n  resolvers:\n    - 9.9.9.9\n    - a name\n", "config.yml:2: shield.resolvers"),
        ("shield:\n  mode: open\n", "shield.mode"),
        ("gate:\n  security_class: open\n", "gate.security_class"),
        ("run:\n  shutdown_timeout: '3'\n", "run.shutdown_timeout"),
        ("\nrun: 3\n", "config.yml:2: run"),
        ("shield: off\n", "shield"),
        ("paths:\n  root: /srv\n", "paths.root"),
        ("network:\n  port_range_start: 1\n", "network.port_range_start"),
        ("services: []\n", "services"),
        ("false\n", "mapping"),
        ("credentials:\n  passphrase: secret\n", "credentials.passphrase"),
        ("- a list\n", "mapping"),
        ("a: [\n", "config.yml"),
    ],
)
def test_a_bad_file_is_an_error_that_names_the_key(root: Path, text: str, where: str) -> None:
    config_file = SandboxConfig().config_file
    config_file.parent.mkdir(parents=True)
    config_file.write_text(text)
    with pytest.raises(ConfigError) as error:
        SandboxConfig.load()
    assert error.value.exit_code == 78
    assert where in error.value.message
    assert str(config_file) in error.value.message
    assert "\n" not in error.value.message


def test_a_pipe_in_place_of_the_file_is_an_error_and_keeps_nobody_waiting(root: Path) -> None:
    config_file = SandboxConfig().config_file
    config_file.parent.mkdir(parents=True)
    os.mkfifo(config_file)
    with pytest.raises(ConfigError, match=r"config\.yml: not a regular file"):
        SandboxConfig.load()
    config_file.unlink()
    config_file.write_text("shield: " + "[" * 100_000)
    with pytest.raises(ConfigError, match=r"config\.yml:1: nested"):
        SandboxConfig.load()
    config_file.write_text("sheild: {}\n")
    with pytest.raises(ConfigError) as error:
        SandboxConfig.load()
    assert error.value.hint == "did you mean shield?"


def test_the_system_s_file_counts_below_the_user_s(root: Path) -> None:
    for layer, text in (
        ("etc", "run: {shutdown_timeout: 3, memory: 4g}\nshield: {mode: airlock}\n"),
        ("config", "run:\n  shutdown_timeout: 5\nshield:\n"),
    ):
        (root / layer).mkdir()
        (root / layer / "config.yml").write_text(text)
    config = SandboxConfig.load()
    assert (config.shutdown_timeout, config.shield_mode) == (5, "airlock")
    (root / "etc/config.yml").write_text("run:\n  shutdown_timeout: soon\n")
    with pytest.raises(ConfigError, match=rf"{root}/etc/config.yml:2: run.shutdown_timeout"):
        SandboxConfig.load()
