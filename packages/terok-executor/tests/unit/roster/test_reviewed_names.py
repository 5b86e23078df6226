"""What the agents of the roster read in a repository is what the gate shows to a reviewer as their settings."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from terok_executor.roster.loader import load_agents
from terok_executor.roster.types import Agent
from terok_sandbox.gate.inspect.paths import judge_path

BUNDLED = load_agents(Path("/nonexistent"))


@pytest.mark.attack("GIT-5")
@pytest.mark.parametrize("agent", BUNDLED.values(), ids=lambda agent: agent.name)
def test_settings_of_every_bundled_agent_are_shown_to_the_reviewer(agent: Agent) -> None:
    """GIT-5: an agent's directory and its instructions are flagged at any depth."""
    names = {PurePosixPath(mount.container_path).name for mount in agent.mounts}
    directories = {name if name.startswith(".") else f".{name}" for name in names} | {f".{agent.name}"}
    if agent.name == "demo":
        directories = set()
    places = [f"{above}{directory}/settings.json" for above in ("", "a/b/") for directory in directories]
    if agent.instructions_file:
        name = PurePosixPath(agent.instructions_file).name
        places += [name, f"docs/{name}"]
    for place in places:
        assert [finding.rule for finding in judge_path(place)] == ["agent-settings"], place
