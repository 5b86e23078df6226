from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_executor.errors import RequestError
from terok_executor.launch.identity import check_authorship, host_identity, user_section
from terok_executor.roster.types import GitIdentity

AGENT = GitIdentity("Agent", "agent@x")


@pytest.mark.parametrize(
    ("mode", "author", "committer"),
    [
        ("agent", "Agent", "Agent"),
        ("human", "Ann", "Ann"),
        ("agent-human", "Agent", "Ann"),
        ("human-agent", "Ann", "Agent"),
    ],
)
def test_the_four_modes(mode: str, author: str, committer: str) -> None:
    env = check_authorship(mode, "Ann", "ann@x").environment(AGENT)
    assert (env["GIT_AUTHOR_NAME"], env["GIT_COMMITTER_NAME"]) == (author, committer)
    assert env["TEROK_GIT_AUTHORSHIP"] == mode
    assert env["HUMAN_GIT_EMAIL"] == "ann@x"


def test_without_a_person_the_agent_signs() -> None:
    env = check_authorship(None, None, None).environment(AGENT)
    assert env["GIT_AUTHOR_NAME"] == env["GIT_COMMITTER_NAME"] == "Agent"
    assert "HUMAN_GIT_NAME" not in env


@pytest.mark.parametrize(
    ("mode", "name", "email"),
    [
        ("nobody", None, None),
        ("human", None, None),
        ("agent-human", None, None),
        ("agent", "Ann", None),
        ("agent", None, "a@x"),
        ("human", "Ann\nX", "a@x"),
        ("human", "Ann <b@x>", "a@x"),
        ("human", " ", "a@x"),
        ("human", "A" * 201, "a@x"),
    ],
)
def test_what_is_refused(mode: str, name: str | None, email: str | None) -> None:
    with pytest.raises(RequestError):
        check_authorship(mode, name, email)


def test_the_host_s_identity_is_its_git_configuration_s(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path)}
    with pytest.raises(RequestError) as caught:
        host_identity(env)
    assert "git config" in (caught.value.hint or "")
    (tmp_path / ".gitconfig").write_text(
        '[core]\n\tname = wrong\n[user]\n\tname = "Ann Onym"\n\temail=ann@x\n[alias]\n\tname = no\n'
    )
    assert host_identity(env) == GitIdentity("Ann Onym", "ann@x")
    assert host_identity({**env, "GIT_AUTHOR_NAME": "Bo"}).name == "Bo"
    other = tmp_path / "other"
    other.write_text("[user]\nname = Cy\nemail = cy@x\n")
    assert host_identity({**env, "GIT_CONFIG_GLOBAL": str(other)}).name == "Cy"


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert set(user_section(text)) <= {"name", "email"}
