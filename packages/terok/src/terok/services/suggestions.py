"""The answers that the wizard proposes, from what there is on this machine."""

from __future__ import annotations

from pathlib import Path

from terok.config.explanation import settings_of
from terok.integrations.executor import AgentRoster
from terok.services.projects import Projects
from terok.services.wizard import Suggestions


def agent_names() -> tuple[str, ...]:
    """Return the names of all agents."""
    return tuple(AgentRoster.load().agents)


def suggestions(here: Path) -> Suggestions:
    """Return what the wizard proposes to somebody in a directory; raises as the configuration does."""
    usual = settings_of()
    return Suggestions(
        repository=str(here) if (here / ".git").exists() else "",
        agents=agent_names(),
        agent=usual["agent.name"].value,
        base_image=usual["image.base_image"].value,
        security_class=usual["gate.security_class"].value,
        taken=frozenset(one.name for one in Projects().all()),
    )
