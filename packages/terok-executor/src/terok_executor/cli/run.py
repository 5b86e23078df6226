"""`run`: one headless run, from request to result."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from terok_util.process import exec_replace

from terok_executor.agent_runner import AgentRunner
from terok_executor.cli.build import progress
from terok_executor.cli.following import catch_termination, follow_to_end, read_prompt
from terok_executor.errors import RequestError
from terok_executor.image_settings import ImageSettings
from terok_executor.launch.identity import host_identity
from terok_executor.launch.instructions import INHERIT, read_instructions
from terok_executor.launch.request import HeadlessRequest


def run(
    repo: str | None,
    prompt: str | None,
    prompt_file: str | None,
    base: str | None,
    family: str | None,
    interactive: bool,
    port: int | None,
    public_url: str | None,
    human_name: str | None,
    human_email: str | None,
    authorship: str | None,
    git_identity_from_host: bool,
    restricted: bool,
    no_gate: bool,
    workspace: str | None,
    subagents: list[str] | None,
    instructions: str | None,
    shared_dir: str | None,
    remove: bool,
    json: bool,
    **plain: Any,
) -> int:
    """Run the agent, follow it to its end and return its exit code; `plain` is what a request has under its name."""
    _refuse_idle(
        interactive=interactive,
        web=plain["web"],
        options={"--json": json, "--rm": remove, "--max-turns": plain["max_turns"]},
        of_the_page={"--port": port, "--public-url": public_url},
    )
    if git_identity_from_host:
        person = host_identity()
        human_name, human_email = human_name or person.name, human_email or person.email
        authorship = authorship or "agent-human"
    image = ImageSettings.load()
    for several in ("allow", "tools", "budget"):
        plain[several] = tuple(plain[several] or ())
    if plain["profiles"] is not None:
        plain["profiles"] = tuple(plain["profiles"])
    if plain["policy"] is not None:
        plain["policy"] = Path(plain["policy"])
    request = HeadlessRequest(
        repo=repo or (None if workspace else "."),
        prompt=None if interactive or plain["web"] else read_prompt(prompt, prompt_file),
        unrestricted=not restricted,
        authorship=authorship,
        human_name=human_name,
        human_email=human_email,
        instructions=[INHERIT, read_instructions(Path(instructions))] if instructions else None,
        shared_dir=Path(shared_dir).absolute() if shared_dir else None,
        base_image=base or image.base_image,
        family=family or image.family,
        gate=not no_gate,
        workspace=Path(workspace).absolute() if workspace else None,
        subagents=tuple(Path(path) for path in subagents or ()),
        **plain,
    )
    catch_termination()
    started = time.monotonic()
    runner = AgentRunner(base_image=request.base_image, family=request.family, on_line=progress)
    if request.web:
        return _web(runner, request, port, public_url)
    record = runner.start(request)
    if interactive:
        return _interactive(runner, record.container, request.model)
    return follow_to_end(runner, record.container, started=started, json=json, remove=remove)


def _refuse_idle(
    *, interactive: bool, web: bool, options: Mapping[str, object], of_the_page: Mapping[str, object]
) -> None:
    """Raise RequestError for an option that means nothing in this kind of run."""
    idle = {**(options if interactive or web else {}), **({} if web else of_the_page)}
    mode = "--web" if web else "--interactive" if interactive else "a prompt"
    for name, given in idle.items():
        if given not in (None, False):
            raise RequestError(f"{name} means nothing with {mode}", hint="leave it out")


def _web(runner: AgentRunner, request: HeadlessRequest, port: int | None, public_url: str | None) -> int:
    """Serve the page and print its address, which lets in whoever has it."""
    name = runner.start_web(request, port=port, public_url=public_url)
    print(f"container {name} serves until `terok-executor stop {name}`", file=sys.stderr)
    print(runner.web_url(name))
    return 0


def _interactive(runner: AgentRunner, name: str, model: str | None) -> int:
    """Become a terminal in the container; without a terminal say how to open one."""
    runner.wait_until_ready(name)
    command = runner.login_command(name, agent=True, model=model)
    print(f"container {name} stays when you leave: `terok-executor login {name}`", file=sys.stderr)
    if sys.stdin.isatty() and sys.stdout.isatty():
        exec_replace(command)
    print(name)
    return 0
