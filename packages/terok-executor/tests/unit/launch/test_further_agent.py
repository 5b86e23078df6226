"""An agent that is added to a running container."""

from __future__ import annotations

import json
import tomllib

import pytest
from terok_executor.credentials import CredentialMissingError, store_key
from terok_executor.errors import RequestError, RosterError
from terok_executor.launch.further_agent import further_agent
from terok_sandbox.vault.unlock import open_vault

from .conftest import KEY, Host, tokens


@pytest.fixture
def running(host: Host) -> Host:
    """Give a host with a running container of one agent, with another's key in the vault."""
    store_key(host.config, host.runner.roster.provider("openai"), "sk-openai-key-of-the-person", "work")
    store_key(host.config, host.runner.roster.provider("anthropic"), KEY, "work")
    options = {"human_name": "Ann", "human_email": "a@x", "authorship": "human-agent", "credential_set": "work"}
    host.runner.run_headless("claude", str(host.repo), prompt="x", name="task-1", **options)  # type: ignore[arg-type]
    return host


def test_it_is_given_what_it_would_have_alone(running: Host) -> None:
    sandbox, roster = running.runner.sandbox, running.runner.roster
    given = further_agent(sandbox, roster, "task-1", "codex")
    token = given.env["OPENAI_API_KEY"]
    assert token is not None and token != "sk-openai-key-of-the-person"
    with open_vault(running.config) as vault:
        row = vault.lookup(token)
    assert row is not None
    assert (row.container, row.provider, row.credential_set) == ("task-1", "openai", "work")
    assert given.env["GIT_AUTHOR_NAME"] == "Ann"
    assert given.env["GIT_COMMITTER_NAME"] == "Codex"
    config = tomllib.loads(given.files["/home/dev/.codex/config.toml"])
    assert config["model_providers"]["terok"]["env_key"] == "OPENAI_API_KEY"
    assert "terok" in given.files["/home/dev/.codex/AGENTS.md"]
    assert KEY not in json.dumps([dict(given.env), dict(given.files)])


def test_the_container_s_own_agent_s_variables_are_not_for_it(running: Host) -> None:
    given = further_agent(running.runner.sandbox, running.runner.roster, "task-1", "codex")
    made_with = running.runtime.container("task-1").env
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "CLAUDE_CONFIG_DIR"):
        assert name in made_with
        assert given.env[name] is None


def test_a_refusal_leaves_no_token(running: Host) -> None:
    sandbox, roster = running.runner.sandbox, running.runner.roster
    before = tokens(running)
    with pytest.raises(CredentialMissingError):
        further_agent(sandbox, roster, "task-1", "gemini")
    with pytest.raises(RequestError, match="needs a model"):
        further_agent(sandbox, roster, "task-1", "copilot")
    with pytest.raises(RosterError, match="unknown agent"):
        further_agent(sandbox, roster, "task-1", "nobody")
    assert tokens(running) == before


def test_an_image_holds_what_may_be_added(running: Host) -> None:
    request = running.request(name="task-2", beside=("codex", "claude", "codex"))
    running.runner.start(request)
    mounted = [mount.destination for mount in running.runtime.container("task-2").mounts]
    assert "/home/dev/.codex" in mounted
    with pytest.raises(RosterError, match="unknown agent"):
        running.runner.start(running.request(name="task-3", beside=("nobody",)))
