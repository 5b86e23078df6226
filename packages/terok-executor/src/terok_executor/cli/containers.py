"""``list``, ``logs``, ``stop`` and ``rm``: containers of earlier runs."""

from __future__ import annotations

import json as json_module
import sys
from contextlib import suppress

from terok_util import safe_text
from terok_util.process import exec_replace, kill_tree

from terok_executor.agent_runner import AgentRunner
from terok_executor.errors import ExecutorError, RequestError
from terok_executor.integrations.sandbox import ContainerState
from terok_executor.launch.task_files import RunRecord, load_record
from terok_executor.paths import state_dir, task_dir


def list_containers(json: bool) -> int:
    """Print every container with a run record, and its state."""
    runtime = AgentRunner().runtime
    rows = [
        {
            "name": record.container,
            "state": str(runtime.container(record.container).state),
            "agent": record.agent,
            "branch": record.branch,
            "repo": record.repo,
            "started": record.started,
        }
        for record in _records()
    ]
    if json:
        print(json_module.dumps(rows, indent=2))
        return 0
    keys = ("name", "state", "agent", "branch", "started", "repo")
    table = [[key.upper() for key in keys], *([safe_text(row[key]) for key in keys] for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(keys))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    return 0


def logs(name: str, follow: bool, tail: int | None, timestamps: bool) -> int:
    """Print what the container has printed."""
    runner = AgentRunner()
    _require(runner, name)
    process = runner.stream_logs_process(name, follow=follow, tail=tail, timestamps=timestamps, merge_stderr=True)
    try:
        assert process.stdout is not None
        for raw in process.stdout:
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
    exec_replace(runner.login_command(name))


def start(name: str) -> int:
    """Start a stopped container again."""
    runner = AgentRunner()
    _require(runner, name)
    runner.restart(name)
    return 0


def stop(name: str, timeout: int) -> int:
    """Stop a container."""
    runner = AgentRunner()
    _require(runner, name)
    runner.stop(name, timeout=timeout)
    return 0


def remove(name: str) -> int:
    """Remove a container and everything kept for it."""
    runner = AgentRunner()
    if not task_dir(name).exists() and runner.runtime.container(name).state == ContainerState.MISSING:
        raise RequestError(f"there is no container {name}", hint="see `terok-executor list`")
    runner.remove(name)
    return 0


def _require(runner: AgentRunner, name: str) -> None:
    task_dir(name)
    if runner.runtime.container(name).state == ContainerState.MISSING:
        raise RequestError(f"there is no container {name}", hint="see `terok-executor list`")


def _records() -> list[RunRecord]:
    found = []
    directory = state_dir() / "run"
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        with suppress(ExecutorError):
            if (record := load_record(path)) is not None:
                found.append(record)
    return found
