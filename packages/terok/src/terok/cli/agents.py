"""`terok agents dir` and `set`: their handlers; the other verbs are the executor's."""

from __future__ import annotations

from terok_util import namespace_config_dir, show

from terok.config.layers import user_file
from terok.integrations.executor import AgentRoster


def directory(agent: str | None, as_json: bool) -> int:
    """Print where a person's own agents are; RosterError for an unknown agent."""
    place = namespace_config_dir("agents")
    path = place if agent is None else place / f"{AgentRoster.load().agent(agent).name}.yaml"
    show({"path": path, "exists": path.exists()}, as_json, str(path))
    return 0


def choose(selection: str) -> int:
    """Choose the agents of images, in the user's `config.yml`; RosterError for an unknown one."""
    from terok.config.edit import edit_host

    AgentRoster.load().select(selection)
    edit_host("image.agents", selection)
    show("", False, f"written to {user_file()}")
    return 0
