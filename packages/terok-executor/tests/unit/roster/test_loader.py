from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_executor.errors import RosterError
from terok_executor.roster.loader import load_agents, load_providers
from terok_executor.roster.validation import parse_source


def test_a_user_file_changes_one_value_of_a_bundled_provider(tmp_path: Path) -> None:
    (tmp_path / "anthropic.yaml").write_text("upstream: http://127.0.0.1:8123\n")
    changed, bundled = load_providers(tmp_path)["anthropic"], load_providers(tmp_path / "none")["anthropic"]
    assert changed.upstream == "http://127.0.0.1:8123"
    assert changed.auth == bundled.auth
    assert bundled.upstream == "https://api.anthropic.com"


def test_a_user_file_adds_an_agent_and_null_and_inherit_work(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "speaks: {openai-chat: {}}\nprovider: {default: openai, token_env: {_default: K}, base_url_env: U}\n"
    )
    (tmp_path / "claude.yaml").write_text("headless: {args: [_inherit, --verbose]}\nhelp: null\n")
    agents = load_agents(tmp_path)
    assert agents["mine"].binary == "mine"
    assert agents["claude"].headless.args == ("-p", "--verbose")
    assert agents["claude"].help.text == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("upstream: http://x\nserver: {}\n", "anthropic.yaml:2: server: unknown key"),
        ("label: x\nauth:\n  api_key:\n    header: 3\n", "anthropic.yaml:4: auth.api_key.header: "),
        ("label: x\nupstream: ftp://x\n", "anthropic.yaml:2: upstream: not an http or https URL"),
        ("- a\n", "anthropic.yaml:1: a mapping"),
        ("a: [\n", "anthropic.yaml:"),
        ("label: x\nlabel: y\n", "anthropic.yaml:2: "),
    ],
)
def test_errors_name_file_line_and_key(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "anthropic.yaml").write_text(text)
    with pytest.raises(RosterError) as caught:
        load_providers(tmp_path)
    assert expected in caught.value.message
    assert "\n" not in caught.value.message


def test_one_bad_file_is_an_error_not_a_smaller_roster(tmp_path: Path) -> None:
    (tmp_path / "openai.yaml").write_bytes(b"label: \xff\n")
    with pytest.raises(RosterError, match=r"openai\.yaml: cannot be read"):
        load_providers(tmp_path)


@pytest.mark.parametrize("name", ["Upper.yaml", ".hidden.yaml", "-dash.yaml", "a b.yaml", "x" * 64 + ".yaml"])
def test_a_file_name_has_to_be_a_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("label: x\n")
    with pytest.raises(RosterError, match="file name"):
        load_providers(tmp_path)


def test_a_provider_may_be_called_what_the_vault_calls_one(tmp_path: Path) -> None:
    (tmp_path / "my.own_one-2.yaml").write_text("auth: {api_key: {}}\nupstream: http://127.0.0.1:1\n")
    assert "my.own_one-2" in load_providers(tmp_path)


@given(st.text(max_size=200))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        parse_source("f.yaml", text)
    except RosterError as error:
        assert "f.yaml" in error.message


ROSTER_OF_ANOTHER_PROCESS = """
import sys
from terok_executor.roster.roster import AgentRoster
roster = AgentRoster.load()
print(sorted({"pydantic", "ruamel.yaml"} & set(sys.modules)))
print(hash(repr((roster.agents, roster.providers, roster.tools))))
"""


def load_elsewhere(root: Path) -> list[str]:
    """Load the roster in a process of its own and return what it had to import, and a digest of the roster."""
    environment = {**os.environ, "TEROK_ROOT": str(root), "PYTHONHASHSEED": "0"}
    environment.pop("TEROK_EXECUTOR_STATE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", ROSTER_OF_ANOTHER_PROCESS], env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.splitlines()


def test_the_roster_is_parsed_once_and_stays_what_the_files_say(tmp_path: Path) -> None:
    (tmp_path / "state/executor").mkdir(parents=True)
    own = tmp_path / "config/providers/anthropic.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("upstream: http://127.0.0.1:8123\n")
    parsed, digest = load_elsewhere(tmp_path)
    assert parsed == "['pydantic', 'ruamel.yaml']"
    assert load_elsewhere(tmp_path) == ["[]", digest], "the same, and nothing was parsed or validated"
    own.write_text("upstream: http://127.0.0.1:8124\n")
    parsed, changed = load_elsewhere(tmp_path)
    assert parsed == "['pydantic', 'ruamel.yaml']"
    assert changed != digest
    own.write_text("upstream: http://127.0.0.1:8124\nserver: {}\n")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        load_elsewhere(tmp_path)
    assert "anthropic.yaml:2: server: unknown key" in caught.value.stderr
