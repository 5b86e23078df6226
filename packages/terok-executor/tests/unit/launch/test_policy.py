from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_executor.errors import RequestError
from terok_executor.roster.egress import allow_lines, deny_lines
from terok_executor.roster.loader import load_providers
from terok_sandbox.shield.policy.grammar import parse_policy_line


def test_destinations_become_policy_lines() -> None:
    assert allow_lines(["deb.example.org", "git.example.org:8443"]) == (
        '+ deb.example.org:443 %reason="asked for with --allow"',
        '+ git.example.org:8443 %reason="asked for with --allow"',
    )


@pytest.mark.parametrize(
    "text", ["", "a b", "host:0", "host:99999", "host:x", "host:8000-8010", 'h" %expires=x', "http://x", "h\n+ *"]
)
def test_what_is_no_destination(text: str) -> None:
    with pytest.raises(RequestError):
        allow_lines([text])


@given(st.text(max_size=40))
def test_a_line_never_says_more_than_one_rule(text: str) -> None:
    try:
        (line,) = allow_lines([text])
    except RequestError:
        return
    assert "\n" not in line
    assert line.count('"') == 2


def test_every_provider_is_closed_except_through_the_vault(tmp_path: Path) -> None:
    (tmp_path / "mistral.yaml").write_text("upstream: http://127.0.0.1:1\n")
    lines = deny_lines(load_providers(tmp_path))
    hosts = [line.split()[1] for line in lines]
    assert {"api.anthropic.com", "api.openai.com", "openrouter.ai"} <= set(hosts)
    assert "api.mistral.ai" not in hosts
    assert all(parse_policy_line(line, tier="security_deny") for line in lines)
