"""Checks whether everything that a project's settings mention is there: agents, profiles, files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from terok_util import TerokError, namespace_config_dir

from terok.config.explanation import Setting, settings_of
from terok.integrations.executor import AgentRoster, read_subagent, render_project
from terok.integrations.sandbox import policy_tiers, profile_path, resolve_repo


def missing_mentions(project: str) -> Iterator[tuple[Setting, TerokError]]:
    """Yield each setting of a sound project that mentions something which is not there, and what is said of it."""
    settings, roster = settings_of(project), AgentRoster.load()
    agent = settings["agent.name"].value

    checks: dict[str, Callable[[Any], object]] = {
        "agent.name": roster.agent,
        "agent.provider": lambda name: roster.bind(roster.agent(agent), name) if agent in roster.agents else None,
        "agent.subagents": lambda files: [read_subagent(Path(file)) for file in files],
        "git.repos": lambda repos: [resolve_repo(repo["upstream"]) for repo in repos],
        "git.upstream": resolve_repo,
        "image.agents": roster.select,
        "image.user_snippet_inline": lambda text: render_project("parent", text),
        "run.tools": lambda names: [roster.tool(name) for name in names],
        "shield.policy": policy_tiers,
        "shield.profiles": lambda names: [profile_path(name, namespace_config_dir()) for name in names],
    }
    for key, check in checks.items():
        value = settings[key].value
        if value:
            try:
                check(value)
            except TerokError as error:
                yield settings[key], error
