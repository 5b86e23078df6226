from __future__ import annotations

import json
from pathlib import Path

import pytest
from terok_executor.errors import RosterError
from terok_executor.roster.loader import load_agents, load_providers
from terok_executor.roster.roster import AgentRoster
from terok_executor.roster.routes import routes_text, write_routes
from terok_sandbox.vault.request_parts import RequestTarget
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
    routes = parse_routes(routes_text(roster.providers).encode())
    assert set(routes) == set(roster.providers)
    assert routes["anthropic"].placement_for("api_key").header == "x-api-key"
    assert routes["anthropic"].placement_for("oauth").prefix == "Bearer "
    assert routes["openai"].placement_for("api_key").prefix == "Bearer "
    assert routes["openai"].billed and not routes["github"].billed, "under a limit of cost only models are refused"


def test_what_may_be_asked_and_where_the_token_may_stand_are_written_in_yaml(tmp_path: Path) -> None:
    (tmp_path / "gitlab.yaml").write_text(
        "rules: [git-read, {methods: [GET], path: '/api/v4/projects/**', query: {page: '1'}}]\n"
        "token_in: [basic, private-token]\n"
    )
    route = AgentRoster({}, load_providers(tmp_path)).vault_routes["gitlab"]
    assert route.token_in == {"basic", "private-token"}
    asked = {"/api/v4/projects/7": "page=1", "/a/b.git/info/refs": "service=git-upload-pack", "/api/v4/users": None}
    allowed = {path: route.allows("GET", RequestTarget(path, query)) for path, query in asked.items()}
    assert allowed == {"/api/v4/projects/7": True, "/a/b.git/info/refs": True, "/api/v4/users": False}
    assert not route.allows("DELETE", RequestTarget("/api/v4/projects/7", "page=1"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("label: x\nrules: git-write\n", "gitlab.yaml:2: rules: unknown preset 'git-write'"),
        ("label: x\nrules: [{methods: [BREW]}]\n", "gitlab.yaml:2: rules: methods must be some of"),
        ("label: x\ntoken_in: [bearer, Host]\n", "gitlab.yaml:2: token_in.Host: not a header"),
        ("label: x\ntoken_in: []\n", "gitlab.yaml:2: token_in: "),
        ("label: x\nname: y\n", "gitlab.yaml:2: name: unknown key"),
    ],
)
def test_what_the_vault_would_refuse_is_refused_with_file_line_and_key(
    tmp_path: Path, text: str, expected: str
) -> None:
    (tmp_path / "gitlab.yaml").write_text(text)
    with pytest.raises(RosterError) as caught:
        load_providers(tmp_path)
    assert expected in caught.value.message


def test_the_route_file_is_written_only_when_it_changes(roster: AgentRoster, tmp_path: Path) -> None:
    path = tmp_path / "vault" / "routes.json"
    assert write_routes(path, roster.providers)
    before = path.stat()
    assert not write_routes(path, roster.providers)
    assert path.stat().st_ino == before.st_ino
    assert before.st_mode & 0o777 == 0o600
    assert write_routes(path, {})
    assert json.loads(path.read_text()) == {}
