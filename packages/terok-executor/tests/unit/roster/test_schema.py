from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from terok_executor.roster.provider import Provider
from terok_executor.roster.routes import routes_text
from terok_executor.roster.types import Agent
from terok_executor.roster.validation import validate
from terok_sandbox.vault.routes import parse_routes

AGENT = {
    "speaks": {"anthropic-messages": {}},
    "provider": {"default": "p", "token_env": {"_default": "KEY"}, "base_url_env": "URL"},
}
AGENT_KEYS = {one.name for one in fields(Agent)} - {"name"} | {"from"}
PROVIDER = {"auth": {"api_key": {}}, "serves": {"openai-chat": "/v1"}}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def test_the_smallest_agent_is_valid() -> None:
    agent = validate("agents", "a", AGENT)
    assert agent.headless.args == ()
    assert agent.kind == "native"
    assert (agent.name, agent.label, agent.binary, agent.git_identity.name) == ("a", "a", "a", "A")


@given(st.sampled_from(sorted(AGENT_KEYS - {"from"})), json_values)
def test_no_value_makes_the_schema_fail_otherwise_than_by_refusing(key: str, value: object) -> None:
    try:
        validate("agents", "a", {**AGENT, key: value})
    except ValidationError:
        return


@given(st.text().filter(lambda text: text not in AGENT_KEYS), json_values)
def test_unknown_keys_are_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        validate("agents", "a", {**AGENT, key: value})


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("env", {"A=B": "x"}),
        ("env", {"A": "x\nRUN evil"}),
        ("binary", "../sh"),
        ("install", {"files": [{"path": "/etc/../root/x", "content": ""}]}),
        ("install", {"files": [{"path": "/x y", "content": ""}]}),
        ("install", {"files": [{"path": "/x", "content": "", "resource": "y"}]}),
        ("install", {"run_as_root": ["true\nUSER root"]}),
        ("install", {"version": "1; rm -rf /"}),
        ("install", {"npm": {"run": ["true"], "artifacts": {"/a\nUSER root": "/b"}}}),
        ("config_files", [{"path": "/etc/passwd", "content": ""}]),
        ("config_files", [{"path": "/home/dev/.x/../y", "content": ""}]),
        ("env", {"A": "{nothing}"}),
        ("install", {"npm": {"packages": ["x; id"], "run": ["true"], "artifacts": {"/a": "/b"}}}),
        ("install", {"pip": {"requirements": ["x==1 --index-url=http://h"], "directory": "/opt/x"}}),
        ("mounts", [{"host_dir": "../..", "container_path": "/x"}]),
        ("mounts", [{"host_dir": "..", "container_path": "/x"}]),
        ("headless", {"args": ["-p", 3]}),
        ("provider", {"default": "p", "token_env": {"oauth": "KEY"}, "base_url_env": "URL"}),
        ("provider", {"default": "p", "token_env": {"_default": "K", "bearer": "K"}, "base_url_env": "URL"}),
    ],
)
def test_values_that_could_change_a_containerfile_or_leave_a_directory(section: str, value: object) -> None:
    with pytest.raises(ValidationError):
        validate("agents", "a", {**AGENT, section: value})


@pytest.mark.parametrize(
    "upstream",
    [
        "ftp://x",
        "https://",
        "https://user:pw@host",
        "https://host/?q",
        "https://host/#f",
        "host:443",
        "https://h:99999",
    ],
)
def test_upstreams_that_are_refused(upstream: str) -> None:
    with pytest.raises(ValidationError):
        validate("providers", "p", {**PROVIDER, "upstream": upstream})


@given(st.text())
def test_an_upstream_is_a_plain_url_or_refused(text: str) -> None:
    try:
        raw = validate("providers", "p", {**PROVIDER, "upstream": text})
    except ValidationError:
        return
    assert raw.upstream is not None
    assert raw.upstream.startswith(("http://", "https://"))
    assert "@" not in raw.upstream.split("/")[2]


def test_an_empty_auth_block_means_a_bearer_token_and_a_header_of_its_own_the_bare_key() -> None:
    provider: Provider = validate(
        "providers",
        "p",
        {**PROVIDER, "auth": {"api_key": {}, "pat": {"header": "PRIVATE-TOKEN"}}, "upstream": "http://127.0.0.1:1/"},
    )
    route = parse_routes(routes_text({"p": provider}).encode())["p"]
    bearer, own = route.placement_for("api_key"), route.placement_for("pat")
    assert (bearer.header, bearer.prefix) == ("Authorization", "Bearer ")
    assert (own.header, own.prefix) == ("PRIVATE-TOKEN", "")
    assert provider.upstream == "http://127.0.0.1:1"
