"""`run` and `run-tool`: one run, from request to result."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from terok_util import may_ask
from terok_util.process import exec_replace

from terok_executor.cli.build import image_options, progress
from terok_executor.cli.following import catch_termination, follow_to_end, read_prompt
from terok_executor.errors import RequestError
from terok_executor.launch.identity import host_identity
from terok_executor.launch.instructions import INHERIT, read_instructions
from terok_executor.launch.request import AgentRequest, ToolRequest
from terok_executor.runner.agent_runner import AgentRunner


def run(
    repo: str | None,
    prompt: str | None,
    prompt_file: str | None,
    interactive: bool,
    port: int | None,
    instructions: str | None,
    git_identity_from_host: bool,
    base_image: str | None,
    family: str | None,
    no_gate: bool,
    remove: bool,
    raw: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Run the agent, follow it to its end and return its exit code; `options` are fields of the request."""
    public_url, web = options["public_url"], options["web"]
    _refuse_idle(
        interactive=interactive,
        web=web,
        options={"--json": as_json, "--rm": remove, "--raw": raw, "--max-turns": options["max_turns"]},
        of_the_page={"--port": port, "--public-url": public_url or None},
    )
    if git_identity_from_host:
        person = host_identity()
        own = {"human_name": person.name, "human_email": person.email, "authorship": "agent-human"}
        options |= {key: options[key] or value for key, value in own.items()}
    request = AgentRequest(
        repo=repo or (None if options["workspace"] else "."),
        prompt=None if interactive or web else read_prompt(prompt, prompt_file),
        instructions=[INHERIT, read_instructions(Path(instructions))] if instructions else None,
        gate=not no_gate,
        **image_options(base_image, family),
        **options,
    )
    catch_termination()
    started = time.monotonic()
    runner = AgentRunner(on_line=progress)
    if web:
        return _web(runner, request, port)
    record = runner.start(request)
    if interactive:
        return _interactive(runner, record.container, request.model)
    return follow_to_end(runner, record.container, started=started, as_json=as_json, remove=remove, raw=raw)


def run_tool(
    tool_args: list[str],
    no_gate: bool,
    base_image: str | None,
    family: str | None,
    remove: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Run the tool, follow it to its end and return its exit code; `options` are fields of the request."""
    words = tuple(tool_args[1:] if tool_args[:1] == ["--"] else tool_args)
    request = ToolRequest(tool_args=words, gate=not no_gate, **image_options(base_image, family), **options)
    catch_termination()
    started = time.monotonic()
    runner = AgentRunner(on_line=progress)
    record = runner.start_tool(request)
    return follow_to_end(runner, record.container, started=started, as_json=as_json, remove=remove)


def _refuse_idle(
    *, interactive: bool, web: bool, options: Mapping[str, object], of_the_page: Mapping[str, object]
) -> None:
    """Refuse an option that has no effect in this kind of run."""
    idle = {**(options if interactive or web else {}), **({} if web else of_the_page)}
    mode = "--web" if web else "--interactive" if interactive else "a prompt"
    for name, given in idle.items():
        if given not in (None, False):
            raise RequestError(f"{name} means nothing with {mode}", hint="leave it out")


def _web(runner: AgentRunner, request: AgentRequest, port: int | None) -> int:
    """Serve the page and print its address, which lets anybody in."""
    name = runner.start_web(request, port=port)
    print(f"container {name} serves until `terok-executor stop {name}`", file=sys.stderr)
    print(runner.web_url(name))
    return 0


def _interactive(runner: AgentRunner, name: str, model: str | None) -> int:
    """Become a terminal in the container; without a terminal print how to open one."""
    runner.wait_until_ready(name)
    command = runner.login_command(name, agent=True, model=model)
    print(f"container {name} stays when you leave: `terok-executor login {name}`", file=sys.stderr)
    if may_ask() and sys.stdout.isatty():
        exec_replace(command)
    print(name)
    return 0
