"""`terok agents dir` and `set`, and `project agents`; the other verbs are the executor's."""

from __future__ import annotations

from terok_util import namespace_config_dir, show


def directory(agent: str | None, as_json: bool) -> int:
    """Print where a person's own agents are; RosterError for an unknown agent."""
    place = path = namespace_config_dir("agents")
    if agent is not None:
        from terok.integrations.executor import AgentRoster  # the directory is known without it

        path = place / f"{AgentRoster.load().agent(agent).name}.yaml"
    show({"path": path, "exists": path.exists()}, as_json, str(path))
    return 0


def choose(selection: str) -> int:
    """Choose the agents of images, in the user's `config.yml`; RosterError for an unknown one."""
    from terok.config.edit import edit_host
    from terok.config.layers import user_file
    from terok.integrations.executor import AgentRoster

    AgentRoster.load().select(selection)
    edit_host("image.agents", selection)
    show("", False, f"written to {user_file()}")
    return 0


def of_project(project: str, selection: str | None, as_json: bool) -> int:
    """Print the agents in a project's image, or choose them; RosterError for an unknown one."""
    from terok.config.project import load_project
    from terok.integrations.executor import AgentRoster

    roster = AgentRoster.load()
    if selection is not None:
        from terok.services.projects import Projects  # and with it what checks a file, which a look does not need

        Projects().choose_agents(project, selection)
    chosen = load_project(project)
    names = [one.name for one in roster.select(chosen.image.agents)]
    document = {"selection": chosen.image.agents, "agents": names, "default": chosen.agent.name}
    show(document, as_json, (f"{'*' if name == chosen.agent.name else ' '} {name}" for name in names))
    return 0
