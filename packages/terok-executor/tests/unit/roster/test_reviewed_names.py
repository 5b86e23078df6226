"""What the agents of the roster read in a repository is what the gate shows to a reviewer as their settings."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path, PurePosixPath

import pytest
from terok_executor.roster.loader import load_agents
from terok_executor.roster.types import Agent
from terok_sandbox.gate.inspect.paths import check_path

TOOL = Path(__file__).parents[5] / "tools/agent_names.py"
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
        assert [finding.rule for finding in check_path(place)] == ["agent-settings"], place


def test_the_gate_has_the_names_of_the_roster_as_it_is() -> None:
    spec = spec_from_file_location("agent_names", TOOL)
    assert spec is not None
    assert spec.loader is not None
    tool = module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.FILE.read_text() == tool.rendered(BUNDLED.values()), "run tools/run python tools/agent_names.py"
