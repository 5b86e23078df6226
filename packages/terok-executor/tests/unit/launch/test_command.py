from __future__ import annotations

from pathlib import Path

import pytest
from terok_executor.errors import RequestError
from terok_executor.launch.check import web_command
from terok_executor.roster.loader import load_agents, load_tools

AGENTS = load_agents(Path("/nonexistent"))


def test_the_command_of_each_agent() -> None:
    assert AGENTS["claude"].build_headless_command(timeout=60, model="opus", max_turns=3) == (
        "/usr/local/bin/terok-init", "timeout", "--kill-after=10", "60",
        "claude", "-p", "--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions",
        "--model", "opus", "--max-turns", "3",
    )  # fmt: skip
    assert AGENTS["demo"].build_headless_command(timeout=5) == (
        "/usr/local/bin/terok-init", "timeout", "--kill-after=10", "5", "terok-demo-agent", "--json",
    )  # fmt: skip


def test_restricted_leaves_auto_approval_out() -> None:
    assert "--dangerously-skip-permissions" not in AGENTS["claude"].build_headless_command(
        timeout=1, unrestricted=False
    )


@pytest.mark.parametrize(
    "options",
    [{"timeout": 0}, {"model": "--evil"}, {"model": ""}, {"model": "a\nb"}, {"max_turns": 0}],
)
def test_values_that_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(RequestError):
        AGENTS["claude"].build_headless_command(**{"timeout": 9, **options})  # type: ignore[arg-type]


def test_an_option_the_agent_lacks_is_an_error() -> None:
    from dataclasses import replace

    bare = replace(AGENTS["demo"], headless=replace(AGENTS["demo"].headless, model_flag=None))
    with pytest.raises(RequestError, match="no option for a model choice"):
        bare.build_headless_command(timeout=9, model="x")


def test_a_front_end_is_told_which_agent_of_its_list_to_show() -> None:
    web = load_tools(Path("/nonexistent"))["toad"].web
    assert web is not None
    words = web_command(web, load_agents(Path("/nonexistent"))["vibe"], "https://page.example.org")
    assert words[4:8] == ("toad", "run", "--agent", "vibe")
    assert words[-2:] == ("--public-url", "https://page.example.org")
    assert not [word for word in words if "{" in word]
