"""`login`, `start`, `stop` and `rm`: containers of earlier runs."""

from __future__ import annotations

import sys
import time

from terok_util import may_ask
from terok_util.process import exec_replace

from terok_executor.cli.following import catch_termination, follow_to_end, read_prompt
from terok_executor.errors import RequestError
from terok_executor.integrations.sandbox import ContainerState
from terok_executor.paths import task_dir
from terok_executor.runner.agent_runner import AgentRunner
from terok_executor.runner.delivery import check_delivered


def login(name: str) -> int:
    """Become a terminal in a running container."""
    runner = AgentRunner()
    _require(runner, name)
    if not runner.runtime.container(name).running:
        raise RequestError(f"container {name} does not run", hint=f"start it with `terok-executor start {name}`")
    if not (may_ask() and sys.stdout.isatty()):
        hint = f"run it from one; `terok-executor logs {name}` shows what the agent has printed"
        raise RequestError("there is no terminal here to log in with", hint=hint)
    exec_replace(runner.login_command(name))


def start(name: str, prompt: str | None, prompt_file: str | None, as_json: bool) -> int:
    """Start a stopped container again; with a prompt its agent continues the conversation and is followed."""
    runner = AgentRunner()
    _require(runner, name)
    if prompt is None and prompt_file is None:
        runner.restart(name)
        return 0
    catch_termination()
    started = time.monotonic()
    runner.resume(name, prompt=read_prompt(prompt, prompt_file))
    return follow_to_end(runner, name, started=started, as_json=as_json, remove=False)


def stop(name: str, timeout: int) -> int:
    """Stop a container; exit code 75, with the reason, if not all of its work is in the gate."""
    if timeout < 0:
        raise RequestError(f"the time-out has to be at least 0 seconds, not {timeout}")
    runner = AgentRunner()
    _require(runner, name)
    runner.stop(name, timeout=timeout)
    check_delivered(runner.sandbox, name)
    return 0


def deliver(name: str, remove: bool, as_json: bool) -> int:
    """Hand the work of an exited container to the gate."""
    runner = AgentRunner()
    _require(runner, name)
    catch_termination()
    started = time.monotonic()
    runner.deliver(name)
    return follow_to_end(runner, name, started=started, as_json=as_json, remove=remove)


def remove(name: str, force: bool) -> int:
    """Remove a container and everything kept for it."""
    runner = AgentRunner()
    if not task_dir(name).exists():
        _require(runner, name)
    runner.remove(name, force=force)
    return 0


def _require(runner: AgentRunner, name: str) -> None:
    task_dir(name)
    if runner.runtime.container(name).state == ContainerState.MISSING:
        raise RequestError(f"there is no container {name}", hint="see `terok-executor list`")
