"""``run``: one headless run, from request to result."""

from __future__ import annotations

import json as json_module
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from terok_util import TerokError
from terok_util.process import exec_replace

from terok_executor.agent_runner import AgentRunner
from terok_executor.cli.build import progress
from terok_executor.errors import RequestError
from terok_executor.image.reference import DEFAULT_BASE_IMAGE
from terok_executor.launch.identity import host_identity
from terok_executor.launch.instructions import INHERIT, read_instructions
from terok_executor.launch.request import HeadlessRequest
from terok_executor.launch.task_files import MAX_PROMPT_BYTES
from terok_executor.result import RunResult


def run(
    agent: str,
    repo: str,
    prompt: str | None,
    prompt_file: str | None,
    base: str | None,
    provider: str | None,
    credential_set: str,
    model: str | None,
    max_turns: int | None,
    timeout: int,
    branch: str | None,
    name: str | None,
    memory: str | None,
    cpus: float | None,
    allow: list[str] | None,
    budget: list[str] | None,
    ssh_scope: str | None,
    restricted: bool,
    interactive: bool,
    authorship: str | None,
    human_name: str | None,
    human_email: str | None,
    git_identity_from_host: bool,
    instructions: str | None,
    shared_dir: str | None,
    shared_mount: str,
    timezone: str | None,
    remove: bool,
    json: bool,
) -> int:
    """Run the agent, follow it to its end and return its exit code."""
    if git_identity_from_host:
        person = host_identity()
        human_name, human_email = human_name or person.name, human_email or person.email
        authorship = authorship or "agent-human"
    request = HeadlessRequest(
        agent=agent,
        repo=repo,
        prompt=None if interactive else _prompt(prompt, prompt_file),
        branch=branch,
        model=model,
        max_turns=max_turns,
        timeout=timeout,
        name=name,
        unrestricted=not restricted,
        memory=memory,
        cpus=cpus,
        timezone=timezone,
        authorship=authorship,
        human_name=human_name,
        human_email=human_email,
        instructions=[INHERIT, read_instructions(Path(instructions))] if instructions else None,
        shared_dir=Path(shared_dir).absolute() if shared_dir else None,
        shared_mount=shared_mount,
        provider=provider,
        credential_set=credential_set,
        allow=tuple(allow or ()),
        budget=tuple(budget or ()),
        ssh_scope=ssh_scope,
        base_image=base or DEFAULT_BASE_IMAGE,
    )
    signal.signal(signal.SIGTERM, _terminated)
    started = time.monotonic()
    runner = AgentRunner(base_image=request.base_image, on_line=progress)
    record = runner.start(request)
    if interactive:
        return _interactive(runner, record.container, model)
    output = sys.stderr if json else sys.stdout

    def show(line: str) -> None:
        output.write(f"{line}\n")
        output.flush()

    try:
        outcome = runner.follow(record.container, show)
        result = runner.result(record.container, outcome, duration=time.monotonic() - started)
    finally:
        if remove:
            with suppress(TerokError):
                runner.remove(record.container)
    if json:
        print(json_module.dumps(result.as_json(), indent=2))
    else:
        print(summary(result), file=sys.stderr)
    return outcome.exit_code


def _interactive(runner: AgentRunner, name: str, model: str | None) -> int:
    """Become a terminal in the container; without a terminal say how to open one."""
    runner.wait_until_ready(name)
    command = runner.login_command(name, agent=True, model=model)
    print(f"container {name} stays when you leave: `terok-executor login {name}`", file=sys.stderr)
    if sys.stdin.isatty() and sys.stdout.isatty():
        exec_replace(command)
    print(name)
    return 0


def summary(result: RunResult) -> str:
    """Return what a person wants to know at the end."""
    lines = [
        f"container {result.container}: exit code {result.exit_code} after {result.duration:.1f} s"
        + (" (time ran out)" if result.timed_out else "")
    ]
    lines += [f"  commit {commit.id[:12]} on {commit.branch}: {commit.subject}" for commit in result.commits]
    if not result.commits:
        lines.append("  no new commit in the gate")
    else:
        lines.append(f"  gate: {result.gate}")
    for blocked in result.blocked[:10]:
        where = blocked.name or blocked.destination
        port = f":{blocked.port}" if blocked.port is not None else ""
        lines.append(f"  blocked {where}{port} ({blocked.count}x): {blocked.reason or 'not allowed'}")
    if len(result.blocked) > 10:
        lines.append(f"  … and {len(result.blocked) - 10} more blocked destinations")
    return "\n".join(lines)


def _terminated(number: int, _frame: object) -> None:
    """Unwind, as Ctrl-C does, so that a batch system's SIGTERM stops the container too."""
    raise SystemExit(128 + number)


def _prompt(text: str | None, file: str | None) -> str:
    if file is None:
        return text or ""
    try:
        if file == "-":
            data = sys.stdin.buffer.read(MAX_PROMPT_BYTES + 1)
        else:
            with Path(file).open("rb") as stream:
                data = stream.read(MAX_PROMPT_BYTES + 1)
    except OSError as error:
        raise RequestError(f"the prompt file {file} cannot be read: {error.strerror}") from None
    return data.decode("utf-8", "surrogateescape")
