"""`terok agents dir` and `set`: their handlers; the other verbs are the executor's."""

from __future__ import annotations

from functools import partial

from terok_util import namespace_config_dir, show

from terok.integrations.executor import AgentRoster


def directory(agent: str | None, as_json: bool) -> int:
    """Print where a person's own agents are; RosterError for an unknown agent."""
    place = namespace_config_dir("agents")
    path = place if agent is None else place / f"{AgentRoster.load().agent(agent).name}.yaml"
    show({"path": path, "exists": path.exists()}, as_json, str(path))
    return 0


def choose(selection: str) -> int:
    """Choose the agents of images, in the user's `config.yml`; RosterError for an unknown one."""
    from terok.config.checkup import check_host
    from terok.config.edit import edit_file

    AgentRoster.load().select(selection)
    file = namespace_config_dir() / "config.yml"
    edit_file(file, "image.agents", selection, partial(check_host, file))
    show("", False, f"written to {file}")
    return 0
