"""``list``, ``logs``, ``stop`` and ``rm``: containers of earlier runs."""

from __future__ import annotations

import json as json_module
import sys
import time
from functools import partial

from terok_util import safe_text
from terok_util.process import exec_replace, kill_tree

from terok_executor.agent_runner import AgentRunner
from terok_executor.cli.following import catch_termination, follow_to_end, read_prompt
from terok_executor.cli.table import print_table
from terok_executor.delivery import check_delivered
from terok_executor.doctor import agent_doctor_checks
from terok_executor.errors import ExecutorError, RequestError
from terok_executor.integrations.sandbox import ContainerState, Finding, doctor_exit_code, examine
from terok_executor.launch.task_files import RunRecord, load_record
from terok_executor.paths import mounts_dir, task_dir
from terok_executor.storage import TaskStorageInfo

MAX_LINE = 16384
"""Bytes of a line that are shown at once."""


def list_containers(sizes: bool, json: bool) -> int:
    """Print every container with a run record, and its state; with ``sizes`` what its task takes up."""
    runtime = AgentRunner().runtime
    rows = [
        {
            "name": record.container,
            "state": str(runtime.container(record.container).state),
            "agent": record.agent,
            "branch": record.branch,
            "repo": record.repo,
            "started": record.started,
            **({"bytes": TaskStorageInfo.measure(record.container).total} if sizes else {}),
        }
        for record in _records()
    ]
    if json:
        print(json_module.dumps(rows, indent=2))
        return 0
    keys = ("name", "state", "agent", "branch", "started", *(["bytes"] if sizes else []), "repo")
    print_table((key.upper() for key in keys), ([str(row[key]) for key in keys] for row in rows))
    return 0


def logs(name: str, follow: bool, tail: int | None, timestamps: bool) -> int:
    """Print what the container has printed."""
    if tail is not None and tail < 0:
        raise RequestError(f"--tail has to be at least 0 lines, not {tail}")
    runner = AgentRunner()
    _require(runner, name)
    process = runner.stream_logs_process(name, follow=follow, tail=tail, timestamps=timestamps, merge_stderr=True)
    try:
        assert process.stdout is not None
        # A line without an end is the container's to write, and not ours to hold.
        for raw in iter(partial(process.stdout.readline, MAX_LINE), b""):
            sys.stdout.write(safe_text(raw.rstrip(b"\r\n"), limit=16384) + "\n")
            sys.stdout.flush()
        return process.wait(timeout=10)
    finally:
        kill_tree(process)
        if process.stdout is not None:
            process.stdout.close()


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
    names = [name] if name is not None else [record.container for record in _records()]
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


def _records() -> list[RunRecord]:
    found = []
    directory = mounts_dir()
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        try:
            if (record := load_record(path)) is not None:
                found.append(record)
        except ExecutorError as error:
            print(f"note: {safe_text(error.message)}; {error.hint}", file=sys.stderr)
    return found
