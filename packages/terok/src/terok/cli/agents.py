"""`terok agents dir`: its handler; the other verbs are the executor's."""

from __future__ import annotations

from terok_util import namespace_config_dir, show

from terok.integrations.executor import AgentRoster


def directory(agent: str | None, as_json: bool) -> int:
    """Print where a person's own agents are; RosterError for an unknown agent."""
    place = namespace_config_dir("agents")
    path = place if agent is None else place / f"{AgentRoster.load().agent(agent).name}.yaml"
    show({"path": path, "exists": path.exists()}, as_json, str(path))
    return 0
