"""The command line of a headless agent; the prompt is never part of it."""

from __future__ import annotations

import re

from terok_executor.errors import RequestError
from terok_executor.roster.run_config import takes_model
from terok_executor.roster.template import MODEL_PATTERN
from terok_executor.roster.types import Agent, WebSpec

INIT = "/usr/local/bin/terok-init"
WEB = "/usr/local/bin/terok-web"
WEB_SOCKET = "/home/dev/.terok/web.sock"
KILL_AFTER_SECONDS = 10


def headless_command(
    agent: Agent,
    *,
    timeout: int,
    model: str | None = None,
    max_turns: int | None = None,
    unrestricted: bool = True,
) -> tuple[str, ...]:
    """Return the container's command: the start script, a time limit in seconds and the agent.

    The agent reads the prompt from standard input. Raises RequestError for an option the agent does not have.
    """
    if timeout < 1:
        raise RequestError(f"the time-out has to be at least one second, not {timeout}")
    headless = agent.headless
    arguments = [agent.binary, *headless.args]
    if unrestricted:
        arguments += agent.auto_approve.flags
    if model is not None:
        checked = _model(model)
        if headless.model_flag is not None:
            arguments += [headless.model_flag, checked]
        elif not takes_model(agent):
            _flag(agent, None, "a model choice")
    if max_turns is not None:
        if max_turns < 1:
            raise RequestError(f"the turn limit has to be at least 1, not {max_turns}")
        arguments += [_flag(agent, headless.max_turns_flag, "a turn limit"), str(max_turns)]
    return (INIT, *time_limit(timeout), *arguments)


def time_limit(seconds: int) -> tuple[str, ...]:
    """Return the words before a command that end it after so many seconds."""
    return ("timeout", f"--kill-after={KILL_AFTER_SECONDS}", str(seconds))


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
        arguments += [agent.headless.model_flag, _model(model)]
    return tuple(arguments)


def _flag(agent: Agent, flag: str | None, what: str) -> str:
    if flag is None:
        raise RequestError(f"agent {agent.name} has no option for {what}", hint="leave the option out")
    return flag


def _model(text: str) -> str:
    if not re.fullmatch(MODEL_PATTERN, text):
        raise RequestError(f"not a usable model: {text[:60]!r}", hint="use letters, digits and . _ : / @ + - [ ]")
    return text
