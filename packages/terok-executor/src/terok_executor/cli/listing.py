"""`list`, `logs` and `doctor`: earlier runs, from Podman and the records alone."""

from __future__ import annotations

import sys
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from terok_util import safe_text, show, table

from terok_executor.errors import ExecutorError, RequestError
from terok_executor.integrations.sandbox import ContainerState, PodmanRuntime
from terok_executor.launch.task_files import RunRecord, load_record
from terok_executor.paths import mounts_dir, task_dir

if TYPE_CHECKING:
    from terok_executor.integrations.sandbox import Finding

MAX_LINE = 16384
"""Bytes of a line that are shown at once."""


def list_containers(sizes: bool, as_json: bool) -> int:
    """Print every container with a run record, and its state; with `sizes` the disk usage of its task."""
    from terok_executor.runner.storage import TaskStorageInfo

    recorded = records()
    states = {one.name: str(one.state) for one in PodmanRuntime().containers_with_prefix("")} if recorded else {}
    rows = [
        {
            "name": record.container,
            "state": states.get(record.container, str(ContainerState.MISSING)),
            "agent": record.agent,
            "branch": record.branch,
            "repo": record.repo,
            "started": record.started,
            **({"bytes": TaskStorageInfo.measure(record.container).total} if sizes else {}),
        }
        for record in recorded
    ]
    keys = ("name", "state", "agent", "branch", "started", *(["bytes"] if sizes else []), "repo")
    show(rows, as_json, table([key.upper() for key in keys], ([row[key] for key in keys] for row in rows)))
    return 0


def doctor(name: str | None, as_json: bool) -> int:
    """Check running containers: no real key in their mounts, their own tokens, the vault's address."""
    from terok_executor.integrations.sandbox import SandboxConfig, doctor_exit_code, examine

    names = [name] if name is not None else [record.container for record in records()]
    for checked in names:
        task_dir(checked)  # refuses an invalid name
    runtime = PodmanRuntime()
    states = {container.name: container.state for container in runtime.containers_with_prefix("")}
    if name is not None and name not in states:
        raise RequestError(f"there is no container {name}", hint="see `terok-executor list`")
    findings: list[Finding] = []
    for one in names:
        if states.get(one) is ContainerState.RUNNING:
            from terok_executor.roster.roster import AgentRoster
            from terok_executor.runner.doctor import agent_doctor_checks

            checks = agent_doctor_checks(SandboxConfig.load(), AgentRoster.shared(), one)
            findings += examine(checks, runtime=runtime, container=one)
    rows = [finding.as_dict() for finding in findings]
    show(rows, as_json, map(_finding_line, rows))
    return doctor_exit_code(findings)


def _finding_line(row: dict[str, Any]) -> str:
    words = (row["severity"].upper(), row["container"], row["category"], row["label"], row["detail"])
    return "  ".join(map(str, words)) + (f"; {row['hint']}" if row["hint"] else "")


def logs(name: str, follow: bool, tail: int | None, timestamps: bool, raw: bool, as_json: bool) -> int:
    """Print what the agent has done, or with `raw` or `timestamps` the container's output as it is."""
    from terok_util.process import kill_tree

    from terok_executor.cli.showing import event_printer
    from terok_executor.roster.roster import AgentRoster
    from terok_executor.runner.conversation import Conversation

    task_dir(name)
    container = PodmanRuntime().container(name)
    if container.state == ContainerState.MISSING:
        raise RequestError(f"there is no container {name}", hint="see `terok-executor list`")
    process = container.logs_process(follow=follow, tail=tail, timestamps=timestamps, merge_stderr=True)
    try:
        assert process.stdout is not None
        if raw or timestamps:
            _print_output(process.stdout, safe=timestamps or sys.stdout.isatty())
        else:
            show = event_printer(sys.stdout, as_json=as_json)
            for event in Conversation(name, AgentRoster.shared()).read(process.stdout.fileno()):
                show(event)
        return process.wait(timeout=10)
    finally:
        kill_tree(process)
        if process.stdout is not None:
            process.stdout.close()


def _print_output(source: IO[bytes], *, safe: bool) -> None:
    """Print the output, `safe` for a terminal or byte for byte."""
    # A container may write a line without an end, which must not fill our memory.
    for line in iter(partial(source.readline, MAX_LINE), b""):
        if safe:
            sys.stdout.write(safe_text(line.rstrip(b"\r\n"), limit=MAX_LINE) + "\n")
        else:
            sys.stdout.buffer.write(line)
        sys.stdout.flush()


def records() -> list[RunRecord]:
    """Return the record of every run, without damaged ones, which are named on standard error."""
    found = []
    directory = mounts_dir()
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        try:
            if (record := load_record(path)) is not None:
                found.append(record)
        except ExecutorError as error:
            print(f"note: {safe_text(error.message)}; {error.hint}", file=sys.stderr)
    return found
