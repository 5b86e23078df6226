from __future__ import annotations

import json
from pathlib import Path

import pytest
from terok_executor.errors import RosterError
from terok_executor.roster.loader import load_agents, load_providers
from terok_executor.roster.roster import AgentRoster
from terok_executor.roster.routes import routes_document, write_routes
from terok_sandbox.vault.routes import parse_routes


@pytest.fixture
def roster(tmp_path: Path) -> AgentRoster:
    (tmp_path / "demo.yaml").write_text("upstream: http://127.0.0.1:9000\n")
    return AgentRoster(load_agents(tmp_path / "none"), load_providers(tmp_path))


def test_an_agent_binds_to_its_own_provider_or_to_another_of_its_protocol(roster: AgentRoster) -> None:
    claude = roster.agent("claude")
    assert roster.bind(claude).name == "anthropic"
    assert roster.bind(claude, "openrouter").serves["anthropic-messages"] == "/api"
    with pytest.raises(RosterError) as caught:
        roster.bind(claude, "openai")
    assert "anthropic-messages" in caught.value.message
    assert "openrouter" in (caught.value.hint or "")


def test_a_provider_without_upstream_says_which_file_gives_it() -> None:
    bundled = AgentRoster(load_agents(Path("/nonexistent")), load_providers(Path("/nonexistent")))
    with pytest.raises(RosterError) as caught:
        bundled.bind(bundled.agent("demo"))
    assert "providers/demo.yaml" in (caught.value.hint or "")


def test_an_unknown_name_gets_a_suggestion_and_is_a_usage_error(roster: AgentRoster) -> None:
    with pytest.raises(RosterError) as caught:
        roster.agent("cluade")
    assert caught.value.hint == "did you mean claude?"
    assert caught.value.exit_code == 2
    with pytest.raises(RosterError):
        roster.provider("x")


def test_a_credential_is_named_by_provider_or_agent(roster: AgentRoster) -> None:
    assert roster.credential_provider("claude").name == "anthropic"
    assert roster.credential_provider("openai").name == "openai"
    with pytest.raises(RosterError):
        roster.credential_provider("nobody")


def test_the_vault_accepts_the_routes(roster: AgentRoster) -> None:
    document = routes_document(roster.providers)
    routes = parse_routes(json.dumps(document).encode())
    assert set(routes) == set(roster.providers)
    assert routes["anthropic"].placement_for("api_key").header == "x-api-key"
    assert routes["anthropic"].placement_for("oauth").prefix == "Bearer "
    assert routes["openai"].placement_for("api_key").prefix == "Bearer "
    assert routes["openai"].billed and not routes["github"].billed, "under a limit of cost only models are refused"


def test_the_route_file_is_written_only_when_it_changes(roster: AgentRoster, tmp_path: Path) -> None:
    path = tmp_path / "vault" / "routes.json"
    assert write_routes(path, roster.providers)
    before = path.stat()
    assert not write_routes(path, roster.providers)
    assert path.stat().st_ino == before.st_ino
    assert before.st_mode & 0o777 == 0o600
    assert write_routes(path, {})
    assert json.loads(path.read_text()) == {}
