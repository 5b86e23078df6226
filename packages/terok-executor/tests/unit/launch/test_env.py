from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from terok_executor.errors import RequestError, RosterError
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
    assert assemble_container_env(SPEC, ROSTER).files == {}
