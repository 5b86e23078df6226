"""``list`` and ``logs``: what there is of earlier runs, asked of Podman and the records alone."""

from __future__ import annotations

import json as json_module
import sys
from functools import partial

from terok_util import safe_text

from terok_executor.cli.table import print_table
from terok_executor.errors import ExecutorError, RequestError
from terok_executor.integrations.sandbox import ContainerState, PodmanRuntime
from terok_executor.launch.task_files import RunRecord, load_record
from terok_executor.paths import mounts_dir, task_dir

MAX_LINE = 16384
"""Bytes of a line that are shown at once."""


def list_containers(sizes: bool, json: bool) -> int:
    """Print every container with a run record, and its state; with ``sizes`` what its task takes up."""
    from terok_executor.storage import TaskStorageInfo

    found = records()
    states = {one.name: str(one.state) for one in PodmanRuntime().containers_with_prefix("")} if found else {}
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
        for record in found
    ]
    if json:
        print(json_module.dumps(rows, indent=2))
        return 0
    keys = ("name", "state", "agent", "branch", "started", *(["bytes"] if sizes else []), "repo")
    print_table((key.upper() for key in keys), ([str(row[key]) for key in keys] for row in rows))
    return 0


def logs(name: str, follow: bool, tail: int | None, timestamps: bool) -> int:
    """Print what the container has printed."""
    from terok_util.process import kill_tree

    if tail is not None and tail < 0:
        raise RequestError(f"--tail has to be at least 0 lines, not {tail}")
    task_dir(name)
    container = PodmanRuntime().container(name)
    if container.state == ContainerState.MISSING:
        raise RequestError(f"there is no container {name}", hint="see `terok-executor list`")
    process = container.logs_process(follow=follow, tail=tail, timestamps=timestamps, merge_stderr=True)
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


def records() -> list[RunRecord]:
    """Return the record of every run; one that is damaged is named on standard error and left out."""
    found = []
    directory = mounts_dir()
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        try:
            if (record := load_record(path)) is not None:
                found.append(record)
        except ExecutorError as error:
            print(f"note: {safe_text(error.message)}; {error.hint}", file=sys.stderr)
    return found
