from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from terok_executor.auth.errors import ConfigPatchError
from terok_executor.errors import RequestError, RosterError
from terok_executor.launch.config_patch import apply_patches
from terok_executor.launch.env import ContainerEnvSpec, assemble_container_env
from terok_executor.roster.loader import load_agents, load_providers
from terok_executor.roster.roster import AgentRoster

NONE = Path("/nonexistent")
ROSTER = AgentRoster(load_agents(NONE), load_providers(NONE))
SPEC = ContainerEnvSpec(
    task_id="abc",
    agent_name="claude",
    provider="anthropic",
    phantom_token="sk-ant-api03-phantom",
    task_dir=Path("/state/run/x"),
    gate_url="http://t@127.0.0.1:9418/r.git",
    work_branch="terok/abc",
)


def test_an_agent_gets_its_provider_its_identity_and_nothing_of_the_others() -> None:
    env = dict(assemble_container_env(SPEC, ROSTER).env)
    assert env["ANTHROPIC_API_KEY"] == "sk-ant-api03-phantom"
    assert env["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:9419"
    assert env["GIT_AUTHOR_NAME"] == env["GIT_COMMITTER_NAME"] == "Claude"
    assert env["GIT_AUTHOR_EMAIL"] == env["GIT_COMMITTER_EMAIL"] == "noreply@anthropic.com"
    assert env["DISABLE_AUTOUPDATER"] == "1"
    assert env["TEROK_UNRESTRICTED"] == "1"
    assert "GIT_BRANCH" not in env
    assert "TZ" not in env
    assert not [name for name in env if name.startswith(("OPENAI", "MISTRAL", "CLAUDE_CODE_OAUTH"))]
    assert [value for value in env.values() if "phantom" in value] == ["sk-ant-api03-phantom"]


def test_the_credential_type_chooses_the_variable() -> None:
    env = assemble_container_env(replace(SPEC, credential_type="oauth"), ROSTER).env
    assert env["CLAUDE_CODE_OAUTH_TOKEN"] == "sk-ant-api03-phantom"
    assert "ANTHROPIC_API_KEY" not in env


def test_another_provider_of_the_protocol_adds_its_path() -> None:
    env = assemble_container_env(replace(SPEC, provider="openrouter"), ROSTER).env
    assert env["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:9419/api"
    with pytest.raises(RosterError):
        assemble_container_env(replace(SPEC, provider="mistral"), ROSTER)


def test_mounts_are_the_task_s_own() -> None:
    volumes = assemble_container_env(SPEC, ROSTER).volumes
    assert [(str(volume.host_path), volume.container_path) for volume in volumes] == [
        ("/state/run/x/home", "/home/dev/.terok"),
        ("/state/run/x/state/claude", "/home/dev/.claude"),
    ]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", "Etc/GMT+3", "America/Argentina/Buenos_Aires"])
def test_time_zones(zone: str) -> None:
    assert assemble_container_env(replace(SPEC, timezone=zone), ROSTER).env["TZ"] == zone


@pytest.mark.parametrize("zone", ["../../etc/passwd", "a b", "x\ny", "/abs", "a//b", "Z" * 65])
def test_what_is_no_time_zone(zone: str) -> None:
    with pytest.raises(RequestError):
        assemble_container_env(replace(SPEC, timezone=zone), ROSTER)


def test_instructions_go_where_the_agent_looks_and_a_shared_directory_is_mounted() -> None:
    spec = replace(SPEC, instructions="be brief", shared_dir=Path("/srv/shared"), shared_mount="/data")
    result = assemble_container_env(spec, ROSTER)
    assert result.files[Path("/state/run/x/state/claude/CLAUDE.md")] == "be brief"
    assert result.env["TEROK_SHARED_DIR"] == "/data"
    assert ("/srv/shared", "/data") in [(str(item.host_path), item.container_path) for item in result.volumes]
    (settings,) = assemble_container_env(SPEC, ROSTER).files
    assert settings.name == ".claude.json"


def test_a_sign_in_gives_the_agent_a_credential_file_of_its_vendor_s_shape() -> None:
    account = {"type": "oauth", "account_id": "acc-1", "email": "ann@example.test"}
    spec = replace(SPEC, agent_name="codex", provider="openai", credential_type="oauth", credential=account)
    files = {path.name: text for path, text in assemble_container_env(spec, ROSTER).files.items()}
    assert json.loads(files["auth.json"])["tokens"]["access_token"] == "sk-ant-api03-phantom"
    config = tomllib.loads(files["config.toml"])["model_providers"]["terok"]
    assert config["base_url"] == "http://127.0.0.1:9419/backend-api/codex"
    assert config["http_headers"] == {"ChatGPT-Account-ID": "acc-1"}
    odd = replace(spec, credential={**account, "account_id": 'x"}\nevil = {"a" = "b'})
    texts = {path.name: text for path, text in assemble_container_env(odd, ROSTER).files.items()}
    assert "evil" not in texts["config.toml"]
    key = assemble_container_env(replace(spec, credential_type="api_key", credential={}), ROSTER).files
    assert "auth.json" not in {path.name for path in key}
    with pytest.raises(RequestError, match="is a sign-in, which agent pi cannot use"):
        assemble_container_env(replace(spec, agent_name="pi", model="m"), ROSTER)


def test_a_file_of_the_person_s_own_gets_the_task_s_keys(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "mine").write_text('# mine\nmodel_provider = "x" # old\n[tui]\ntheme = "dark"\n')
    (tmp_path / "agents/codex.yaml").write_text(
        f"config_files:\n  - path: /home/dev/.codex/config.toml\n    from: {tmp_path}/mine\n"
        "    patch: {model_provider: terok, model_providers: {terok: {base_url: '{vault_url}'}}, x: '{model?}'}\n"
    )
    roster = AgentRoster(load_agents(tmp_path / "agents"), load_providers(NONE))
    spec = replace(SPEC, agent_name="codex", provider="openai", task_dir=tmp_path / "task")
    result = assemble_container_env(spec, roster)
    apply_patches(result.patches)
    written = tmp_path / "task/state/codex/config.toml"
    assert tomllib.loads(written.read_text()) == {
        "model_provider": "terok",
        "tui": {"theme": "dark"},
        "model_providers": {"terok": {"base_url": "http://127.0.0.1:9419/v1"}},
    }
    assert "# mine" in written.read_text()
    assert written.stat().st_mode & 0o777 == 0o600
    written.unlink()
    (tmp_path / "mine").write_text("= broken")
    with pytest.raises(ConfigPatchError, match="mine"):
        apply_patches(result.patches)
    assert not written.exists()
