"""A run whose request has been judged: names resolved, defaults filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from terok_executor.integrations.sandbox import RepoSource
    from terok_executor.launch.identity import Authorship
    from terok_executor.launch.request import AgentRequest
    from terok_executor.launch.subagents import SubAgent
    from terok_executor.roster.types import Agent, Installed, Provider, Tool


@dataclass(frozen=True, slots=True)
class Task:
    """What every launch has: a name of its own, and the branch it works on.

    `repo` is None if nothing is cloned; `scope` names the mirror and the project that credentials belong to.
    """

    id: str
    name: str
    repo: RepoSource | None
    scope: str
    work_branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRun:
    """An agent's run, ready to be built and launched.

    `frontend` serves the web page if the agent itself cannot. `prompt` and `model` are what the agent is given of
    those asked for. `continue_command` takes up the conversation; it is empty if the agent cannot. `allow` holds policy
    lines.
    """

    request: AgentRequest
    task: Task
    agent: Agent
    provider: Provider
    tools: tuple[Tool, ...]
    frontend: Tool | None
    prompt: str | None
    model: str | None
    authorship: Authorship
    instructions: str
    subagents: tuple[SubAgent, ...]
    command: tuple[str, ...]
    continue_command: tuple[str, ...]
    allow: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def installed(self) -> tuple[Installed, ...]:
        """Everything the image has to hold."""
        return (self.agent, *self.tools, *([self.frontend] if self.frontend is not None else []))
