from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from terok_sandbox.audit import AuditLog, read_audit
from terok_sandbox.audit_chain import verify_audit
from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import SetupRequired
from terok_sandbox.setup.stages import upgrade_state
from terok_sandbox.setup.state import check_setup
from terok_sandbox.shield.live_store import LiveState, LiveVerdict, save_live
from terok_sandbox.sidecar import Sidecar
from terok_sandbox.supervise import client
from terok_sandbox.supervise.rules import rules_for
from terok_sandbox.values.posture import LIVE_FILE


def first_version(config: SandboxConfig, name: str) -> Path:
    """Write the state of one container as the first bundle left it: one directory, fewer keys."""
    state = config.state_dir / "containers" / name
    state.mkdir(parents=True)
    config.sidecar_dir.mkdir(exist_ok=True)
    config.receipt_path.write_text(json.dumps({"schema": 1, "version": "0.0.1", "inputs": {}}))
    vault = {key: str(config.vault_dir / key) for key in ("db_path", "routes_path", "passphrase_file")}
    tiers = {"override": [], "security_deny": [], "provider_allow": [], "project_allow": ["+ denied.example:443"]}
    document = {
        "schema": 1,
        "version": "0.0.1",
        "container_name": name,
        "scope": "proj",
        "runtime_dir": str(config.runtime_dir / "run" / name),
        "state_dir": str(state),
        "vault": vault | {"audit_path": str(state / "vault-audit.jsonl")},
        "gate": None,
        "shield": {"enforcement": "filter", "audit_path": str(state / "shield-audit.jsonl"), "tiers": tiers},
    }
    path = config.sidecar_path(name)
    path.write_text(json.dumps(document))
    path.chmod(0o600)
    AuditLog(state / "shield-audit.jsonl").append("refused", name="denied.example")
    (state / "vault-audit.jsonl").write_text("")
    save_live(state / LIVE_FILE, LiveState("quarantine", (LiveVerdict("203.0.113.9:443", "deny"),)))
    return path


@pytest.fixture
def config(tmp_path: Path) -> SandboxConfig:
    dirs = {name: tmp_path / name[0] for name in ("state_dir", "runtime_dir", "config_dir", "vault_dir")}
    return SandboxConfig(**dirs)  # type: ignore[arg-type]


def test_state_of_the_first_version_is_upgraded(config: SandboxConfig) -> None:
    path = first_version(config, "box")
    with pytest.raises(SetupRequired) as required:
        check_setup(config)
    assert required.value.hint == "run `terok-sandbox setup`"
    before = rules_for(Sidecar.load(path)).text
    assert upgrade_state(config) == ["box is upgraded"]
    sidecar = Sidecar.load(path)
    assert sidecar.gateway_dir == config.gateway_dir("box")
    assert rules_for(sidecar).text == before, "posture and denials count as they did"
    assert "203.0.113.9" in before
    AuditLog(sidecar.shield.audit_path).append("refused", name="again.example")
    assert [row["name"] for row in read_audit(sidecar.shield.audit_path)] == ["denied.example", "again.example"]
    assert verify_audit(sidecar.shield.audit_path).ok
    assert sorted(os.listdir(sidecar.state_dir)) == ["gateway", "vault-audit.jsonl"]
    assert upgrade_state(config) == []


def test_an_interrupted_upgrade_loses_no_denial(config: SandboxConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    path = first_version(config, "box")
    before = rules_for(Sidecar.load(path)).text

    def fail(self: Sidecar, path: Path) -> None:
        raise OSError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(Sidecar, "save", fail)
        assert upgrade_state(config) == ["box is not upgraded: power cut"]
    assert rules_for(Sidecar.load(path)).text == before
    assert upgrade_state(config) == ["box is upgraded"]
    assert rules_for(Sidecar.load(path)).text == before


def test_what_cannot_be_upgraded_says_what_to_do(config: SandboxConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    first_version(config, "running")
    strange = first_version(config, "strange")
    strange.write_text(strange.read_text().replace('"schema": 1', '"schema": 0'))
    monkeypatch.setattr(client, "status", lambda config, name: {"prepared": True})
    lines = upgrade_state(config)
    assert lines[0] == "running runs and is not upgraded: stop it and run `terok-sandbox setup` again"
    assert "schema 0, 1 is needed; remove the container with `terok-sandbox rm strange`" in lines[1]
    assert not config.gateway_dir("running").exists()
