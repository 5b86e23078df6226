"""The command lines of containers that a person works in; the roster has that of a headless agent."""

from __future__ import annotations

import re

from terok_executor.roster.run_config import INIT, checked_model
from terok_executor.roster.types import Agent, WebSpec

WEB = "/usr/local/bin/terok-web"
WEB_SOCKET = "/home/dev/.terok/web.sock"


def web_command(web: WebSpec, agent: Agent, public_url: str) -> tuple[str, ...]:
    """Return the container's command that serves a web page on a socket in the task directory."""
    values = {"port": str(web.port), "public_url": public_url, "agent": agent.name}
    words = (re.sub(r"\{(port|public_url|agent)\}", lambda match: values[match[1]], word) for word in web.command)
    return (INIT, WEB, WEB_SOCKET, str(web.port), *words)


def interactive_command() -> tuple[str, ...]:
    """Return the container's command where a person works in it: it waits to be stopped."""
    return (INIT, "sleep", "infinity")


def terminal_command(agent: Agent, *, model: str | None = None, unrestricted: bool = True) -> tuple[str, ...]:
    """Return the agent's own command line for a terminal."""
    arguments = [agent.binary]
    if unrestricted:
        arguments += agent.auto_approve.flags
    if model is not None and agent.headless.model_flag is not None:
        arguments += [agent.headless.model_flag, checked_model(model)]
    return tuple(arguments)
