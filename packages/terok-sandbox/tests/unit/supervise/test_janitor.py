from __future__ import annotations

from pathlib import Path

import pytest
from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import EngineError
from terok_sandbox.launch.resources import launch_lock
from terok_sandbox.runtime.fake import FakeRecord, FakeRuntime
from terok_sandbox.supervise import janitor
from terok_sandbox.values.host import ContainerState
from terok_sandbox.vault.passphrase.record import update_record
from terok_sandbox.vault.unlock import open_vault, provision_session


@pytest.fixture
def cfg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SandboxConfig:
    dirs = {name: tmp_path / name for name in ("state_dir", "runtime_dir", "config_dir", "vault_dir")}
    config = SandboxConfig(**dirs)  # type: ignore[arg-type]
    for path in dirs.values():
        path.mkdir(mode=0o700)
    monkeypatch.setattr(janitor, "podman_store", lambda: "/store")
    janitor.remember_store(config)
    provision_session(config)
    return config


def leave(cfg: SandboxConfig, name: str) -> None:
    """Leave what a container leaves that was removed behind our back."""
    cfg.ensure_container_dirs(name)
    cfg.sidecar_dir.mkdir(exist_ok=True)
    cfg.sidecar_path(name).write_text("{}")
    with open_vault(cfg) as vault:
        vault.create_token(name, "demo", "default")


def tokens(cfg: SandboxConfig) -> set[str]:
    with open_vault(cfg) as vault:
        return {row.container for row in vault.list_tokens()}


def test_only_what_is_gone_is_cleared_away(cfg: SandboxConfig) -> None:
    runtime = FakeRuntime(images={"localhost/app": {}})
    for name in ("gone", "there", "young", "busy"):
        leave(cfg, name)
    runtime.records["there"] = FakeRecord("localhost/app", ContainerState.EXITED)
    with launch_lock(cfg, "busy"):
        swept = janitor.sweep(cfg, runtime, grace=0)
    assert swept.removed == ["gone", "young"]
    assert swept.busy == ["busy"]
    assert not swept.failed
    assert tokens(cfg) == {"there", "busy"}
    assert not cfg.sidecar_path("gone").exists()
    assert not cfg.container_state_dir("gone").exists()
    assert not cfg.container_runtime_dir("gone").exists()
    assert cfg.sidecar_path("there").exists()


def test_what_is_young_may_still_get_its_container(cfg: SandboxConfig) -> None:
    leave(cfg, "coming")
    assert janitor.sweep(cfg, FakeRuntime()).removed == []
    assert tokens(cfg) == {"coming"}


def test_an_engine_that_fails_is_not_an_engine_without_containers(cfg: SandboxConfig) -> None:
    leave(cfg, "box")
    runtime = FakeRuntime()
    runtime.failures["list"] = "podman does not answer"
    with pytest.raises(EngineError):
        janitor.sweep(cfg, runtime, grace=0)
    assert tokens(cfg) == {"box"}


@pytest.mark.parametrize("recorded", ["/another/store", None])
def test_another_storage_is_no_proof(cfg: SandboxConfig, recorded: str | None) -> None:
    leave(cfg, "box")
    store = cfg.store_path
    store.unlink()
    if recorded:
        store.write_text(recorded + "\n")
    with pytest.raises(EngineError, match="setup"):
        janitor.sweep(cfg, FakeRuntime(), grace=0)
    assert tokens(cfg) == {"box"}


def test_a_locked_vault_keeps_the_files_by_which_the_tokens_are_found(cfg: SandboxConfig) -> None:
    leave(cfg, "box")
    update_record(cfg, locked=True)
    cfg.vault_session_file.unlink()
    swept = janitor.sweep(cfg, FakeRuntime(), grace=0)
    assert list(swept.failed) == ["box"]
    assert cfg.sidecar_path("box").exists()
