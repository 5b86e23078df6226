"""``login``, ``start``, ``doctor``, ``stop`` and ``rm``: containers of earlier runs."""

from __future__ import annotations

import json as json_module
import sys
import time

from terok_util import safe_text
from terok_util.process import exec_replace

from terok_executor.agent_runner import AgentRunner
from terok_executor.cli.following import catch_termination, follow_to_end, read_prompt
from terok_executor.cli.listing import records
from terok_executor.delivery import check_delivered
from terok_executor.doctor import agent_doctor_checks
from terok_executor.errors import RequestError
from terok_executor.integrations.sandbox import ContainerState, Finding, doctor_exit_code, examine
from terok_executor.paths import task_dir


def login(name: str) -> int:
    """Become a terminal in a running container."""
    runner = AgentRunner()
    _require(runner, name)
    if not runner.runtime.container(name).running:
        raise RequestError(f"container {name} does not run", hint=f"start it with `terok-executor start {name}`")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise RequestError(
            "there is no terminal here to log in with",
            hint=f"run it from one; `terok-executor logs {name}` shows what the agent has printed",
        )
    exec_replace(runner.login_command(name))


def start(name: str, prompt: str | None, prompt_file: str | None, json: bool) -> int:
    """Start a stopped container again; with a prompt its agent takes the conversation up, and is followed."""
    runner = AgentRunner()
    _require(runner, name)
    if prompt is None and prompt_file is None:
        runner.restart(name)
        return 0
    catch_termination()
    started = time.monotonic()
    runner.resume(name, prompt=read_prompt(prompt, prompt_file))
    return follow_to_end(runner, name, started=started, json=json, remove=False)


def doctor(name: str | None, json: bool) -> int:
    """Check the containers that run: no real key in their mounts, tokens and addresses as they were made."""
    runner = AgentRunner()
    config = runner.sandbox.config
    names = [name] if name is not None else [record.container for record in records()]
    findings: list[Finding] = []
    for one in names:
        if name is not None:
            _require(runner, one)
        if runner.runtime.container(one).running:
            checks = agent_doctor_checks(config, runner.roster, one)
            findings += examine(checks, runtime=runner.runtime, container=one)
    if json:
        print(json_module.dumps([finding.as_dict() for finding in findings], indent=2))
    for finding in findings if not json else ():
        found = finding.as_dict()
        words = (found["severity"].upper(), found["container"], found["category"], found["label"], found["detail"])
        print("  ".join(safe_text(str(word)) for word in words) + (f"; {found['hint']}" if found["hint"] else ""))
    return doctor_exit_code(findings)


def stop(name: str, timeout: int) -> int:
    """Stop a container; says what of its work is not in the gate then, with exit code 75."""
    if timeout < 0:
        raise RequestError(f"the time-out has to be at least 0 seconds, not {timeout}")
    runner = AgentRunner()
    _require(runner, name)
    runner.stop(name, timeout=timeout)
    check_delivered(runner.sandbox, name)
    return 0


def deliver(name: str, remove: bool, json: bool) -> int:
    """Hand the work of a container that has ended to the gate."""
    runner = AgentRunner()
    _require(runner, name)
    catch_termination()
    started = time.monotonic()
    runner.deliver(name)
    return follow_to_end(runner, name, started=started, json=json, remove=remove)


def remove(name: str, force: bool) -> int:
    """Remove a container and everything kept for it."""
    runner = AgentRunner()
    if not task_dir(name).exists() and runner.runtime.container(name).state == ContainerState.MISSING:
        raise RequestError(f"there is no container {name}", hint="see `terok-executor list`")
    runner.remove(name, force=force)
    return 0


def _require(runner: AgentRunner, name: str) -> None:
    task_dir(name)
    if runner.runtime.container(name).state == ContainerState.MISSING:
        raise RequestError(f"there is no container {name}", hint="see `terok-executor list`")
