from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from terok_executor.credentials import Phantom
from terok_executor.errors import ConfigPatchError, RequestError, RosterError
from terok_executor.launch.check import check_request
from terok_executor.launch.env import ContainerEnvResult, ContainerEnvSpec, assemble_container_env
from terok_executor.launch.request import AgentRequest
from terok_executor.launch.task_files import apply_patches
from terok_executor.roster.loader import load_agents, load_providers
from terok_executor.roster.roster import AgentRoster

NONE = Path("/nonexistent")
ROSTER = AgentRoster(load_agents(NONE), load_providers(NONE))
REQUEST = AgentRequest(agent="claude", repo="https://git.example.org/r", prompt="do it", task_id="abc")
PHANTOM = Phantom("sk-ant-api03-phantom", "api_key")


def spec(request: AgentRequest = REQUEST, roster: AgentRoster = ROSTER, **change: object) -> ContainerEnvSpec:
    made = {"phantom": PHANTOM, "task_dir": Path("/state/run/x"), "gate_url": "http://t@127.0.0.1:9418/r.git"}
    return ContainerEnvSpec(run=check_request(request, roster), **{**made, **change})  # type: ignore[arg-type]


def assemble(request: AgentRequest = REQUEST, roster: AgentRoster = ROSTER, **change: object) -> ContainerEnvResult:
    return assemble_container_env(spec(request, roster, **change), roster)


def test_an_agent_gets_its_provider_its_identity_and_nothing_of_the_others() -> None:
    env = dict(assemble().env)
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
    env = assemble(phantom=replace(PHANTOM, credential_type="oauth")).env
    assert env["CLAUDE_CODE_OAUTH_TOKEN"] == "sk-ant-api03-phantom"
    assert "ANTHROPIC_API_KEY" not in env


def test_another_provider_of_the_protocol_adds_its_path() -> None:
    env = assemble(replace(REQUEST, provider="openrouter")).env
    assert env["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:9419/api"
    with pytest.raises(RosterError):
        assemble(replace(REQUEST, provider="mistral"))


def test_mounts_are_the_task_s_own() -> None:
    volumes = assemble().volumes
    assert [(str(volume.host_path), volume.container_path) for volume in volumes] == [
        ("/state/run/x/home", "/home/dev/.terok"),
        ("/state/run/x/state/claude", "/home/dev/.claude"),
    ]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", "Etc/GMT+3", "America/Argentina/Buenos_Aires"])
def test_time_zones(zone: str) -> None:
    assert assemble(timezone=zone).env["TZ"] == zone


@pytest.mark.parametrize("zone", ["../../etc/passwd", "a b", "x\ny", "/abs", "a//b", "Z" * 65])
def test_what_is_no_time_zone(zone: str) -> None:
    with pytest.raises(RequestError):
        assemble(timezone=zone)


def test_instructions_go_where_the_agent_looks_and_a_shared_directory_is_mounted() -> None:
    shared = replace(REQUEST, shared_dir=Path("/srv/shared"), shared_mount="/data")
    run = replace(check_request(REQUEST, ROSTER), request=shared, instructions="be brief")
    result = assemble_container_env(replace(spec(), run=run), ROSTER)
    assert result.files[Path("/state/run/x/state/claude/CLAUDE.md")] == "be brief"
    assert result.env["TEROK_SHARED_DIR"] == "/data"
    assert ("/srv/shared", "/data") in [(str(item.host_path), item.container_path) for item in result.volumes]
    names = {path.name for path in assemble(replace(REQUEST, instructions="")).files}
    assert names == {".claude.json", "settings.json"}


def test_a_sign_in_gives_the_agent_a_credential_file_of_its_vendor_s_shape() -> None:
    account = {"type": "oauth", "account_id": "acc-1", "email": "ann@example.test"}
    request, phantom = replace(REQUEST, agent="codex"), Phantom(PHANTOM.token, "oauth", account)
    files = {path.name: text for path, text in assemble(request, phantom=phantom).files.items()}
    assert json.loads(files["auth.json"])["tokens"]["access_token"] == "sk-ant-api03-phantom"
    config = tomllib.loads(files["config.toml"])["model_providers"]["terok"]
    assert config["base_url"] == "http://127.0.0.1:9419/backend-api/codex"
    assert config["http_headers"] == {"ChatGPT-Account-ID": "acc-1"}
    odd = replace(phantom, known={**account, "account_id": 'x"}\nevil = {"a" = "b'})
    texts = {path.name: text for path, text in assemble(request, phantom=odd).files.items()}
    assert "evil" not in texts["config.toml"]
    key = assemble(request).files
    assert "auth.json" not in {path.name for path in key}
    with pytest.raises(RequestError, match="is a sign-in, which agent pi cannot use"):
        assemble(replace(request, agent="pi", provider="openai", model="m"), phantom=phantom)


def test_a_file_of_the_person_s_own_gets_the_task_s_keys(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "mine").write_text('# mine\nmodel_provider = "x" # old\n[tui]\ntheme = "dark"\n')
    (tmp_path / "agents/codex.yaml").write_text(
        f"config_files:\n  - path: /home/dev/.codex/config.toml\n    from: {tmp_path}/mine\n"
        "    patch: {model_provider: terok, model_providers: {terok: {base_url: '{vault_url}'}}, x: '{model?}'}\n"
    )
    roster = AgentRoster(load_agents(tmp_path / "agents"), load_providers(NONE))
    result = assemble(replace(REQUEST, agent="codex"), roster, task_dir=tmp_path / "task")
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
