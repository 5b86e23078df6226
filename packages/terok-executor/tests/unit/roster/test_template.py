from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_executor.credentials import Phantom
from terok_executor.errors import RequestError
from terok_executor.launch.check import check_request
from terok_executor.launch.env import ContainerEnvResult, ContainerEnvSpec, assemble_container_env, template_values
from terok_executor.launch.request import AgentRequest
from terok_executor.roster.loader import load_agents, load_providers
from terok_executor.roster.roster import AgentRoster
from terok_executor.roster.template import check_template, fill, needs, placeholders

NONE = Path("/nonexistent")
ROSTER = AgentRoster(load_agents(NONE), load_providers(NONE))
PAIRS = [
    (agent.name, provider.name)
    for agent in ROSTER.agents.values()
    for provider in ROSTER.providers.values()
    if agent.protocol_for(provider) and provider.upstream
]


def assemble(agent: str, provider: str, model: str | None = "some-model") -> ContainerEnvResult:
    asked = AgentRequest(agent=agent, provider=provider, model=model, repo="https://git.example.org/r", prompt="do it")
    phantom, gate_url = Phantom(TOKEN, "api_key"), "http://t@127.0.0.1:9418/r.git"
    run = check_request(asked, ROSTER)
    spec = ContainerEnvSpec(run=run, phantom=phantom, task_dir=Path("/state/t"), gate_url=gate_url)
    return assemble_container_env(spec, ROSTER)


def test_placeholders_are_filled_and_other_braces_stay() -> None:
    text = '{"a": "{model}", "b": "{env:KEY}"}\nx={effort?}\n'
    assert fill(text, {"model": "m", "effort": ""}) == '{"a": "m", "b": "{env:KEY}"}\n'
    assert fill("x={effort?}", {"effort": "1"}) == "x=1"
    assert fill("x={effort?}", {}) is None
    assert fill("", {}) == ""
    assert placeholders(text) == {"model", "effort"}
    assert needs(text, "model")
    assert not needs(text, "effort")


@given(st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"])))
def test_text_without_placeholders_is_kept(text: str) -> None:
    assert fill(text, {}) == text


@pytest.mark.parametrize("text", ["\0", "\x1b[31m", "x" * 20_000])
def test_what_is_no_template(text: str) -> None:
    with pytest.raises(ValueError, match="template"):
        check_template(text)


TOKEN = "phantom-token" + "x" * 20


@pytest.mark.parametrize(("agent", "provider"), PAIRS)
def test_every_agent_is_told_every_fitting_provider_and_nothing_else(agent: str, provider: str) -> None:
    result = assemble(agent, provider)
    values = template_values(ROSTER.agent(agent), ROSTER.provider(provider), "some-model")
    assert result.env[values["token_env"]] == TOKEN
    texts = [*result.env.values(), *result.files.values()]
    assert any("http://127.0.0.1:9419" in text for text in texts), "the agent does not learn where the vault is"
    assert not [text for text in texts if "{model}" in text or "{vault_url}" in text]
    roots = {volume.host_path for volume in result.volumes}
    for path, text in result.files.items():
        assert any(root in path.parents for root in roots)
        assert "phantom-token" not in text, "tokens stay out of files that outlive the container's environment"
        if path.suffix == ".json":
            json.loads(text)
        elif path.suffix == ".toml":
            tomllib.loads(text)


def test_a_harness_without_a_model_says_what_to_do() -> None:
    with pytest.raises(RequestError) as caught:
        assemble("opencode", "openai", None)
    assert "--model" in (caught.value.hint or "")
    config = assemble("opencode", "openrouter", None).files
    assert any("terok/openrouter/auto" in text for text in config.values())


def test_the_protocol_chosen_is_the_agent_s_first_that_the_provider_serves() -> None:
    env = assemble("copilot", "anthropic").env
    assert (env["COPILOT_PROVIDER_TYPE"], env["COPILOT_PROVIDER_BASE_URL"]) == ("anthropic", "http://127.0.0.1:9419")
    env = assemble("copilot", "openrouter").env
    assert (env["COPILOT_PROVIDER_TYPE"], env["COPILOT_PROVIDER_BASE_URL"]) == (
        "openai",
        "http://127.0.0.1:9419/api/v1",
    )
