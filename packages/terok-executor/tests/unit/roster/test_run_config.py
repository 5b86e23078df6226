from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from terok_executor.errors import RequestError
from terok_executor.roster.loader import load_agents
from terok_executor.roster.run_config import CLIOverrides, resolve_provider_value

AGENTS = load_agents(Path("/nonexistent"))


def test_a_value_is_flat_or_a_map_with_a_default_for_missing_and_null_entries() -> None:
    config = {"model": {"pi": "small", "vibe": None, "_default": "large"}, "timeout": 60}
    values = {name: resolve_provider_value("model", config, name) for name in ("pi", "vibe", "claude")}
    assert values == {"pi": "small", "vibe": "large", "claude": "large"}
    assert resolve_provider_value("timeout", config, "pi") == 60
    assert resolve_provider_value("max_turns", config, "pi") is None


def test_limits_go_to_options_where_there_are_some_and_to_the_prompt_where_not() -> None:
    asked = CLIOverrides(model="opus", max_turns=3)
    options = AGENTS["claude"].apply_config({"model": "sonnet", "timeout": 90}, asked)
    assert (options.model, options.max_turns, options.timeout) == ("opus", 3, 90)
    assert (options.prompt_extra, options.warnings) == ("", ())
    guided = AGENTS["codex"].apply_config({}, asked)
    assert guided.max_turns is None
    assert "within 3 turns" in guided.prompt_extra
    assert len(guided.warnings) == 1
    bare = replace(AGENTS["demo"], headless=replace(AGENTS["demo"].headless, model_flag=None))
    without = bare.apply_config({}, asked)
    assert without.model is None
    assert "no option for a model" in without.warnings[0]
    assert AGENTS["demo"].apply_config({}, CLIOverrides()).timeout == 1800


@pytest.mark.parametrize("config", [{"timeout": 0}, {"max_turns": -1}, {"timeout": "60"}, {"max_turns": True}])
def test_limits_that_are_none(config: dict[str, object]) -> None:
    with pytest.raises(RequestError):
        AGENTS["claude"].apply_config(config, CLIOverrides())
