"""Restarts of an exited container: with a new prompt in the same conversation, or only to hand over its work."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from terok_util import write_sensitive_file

from terok_executor.errors import RequestError
from terok_executor.integrations.sandbox import GitGate, Sandbox
from terok_executor.launch.env import CONTAINER_TASK_DIR
from terok_executor.launch.task_files import RunRecord, checked_prompt, load_record, save_record
from terok_executor.paths import task_dir
from terok_executor.roster.roster import AgentRoster


def resume(sandbox: Sandbox, roster: AgentRoster, name: str, prompt: str) -> RunRecord:
    """Start an exited container with a new prompt in the same conversation; returns its updated record.

    Raises RequestError if there is no such run, it still runs, or its agent cannot continue a conversation.
    """
    record = _ended(sandbox, name)
    if not record.continue_command:
        hint = "start a new run with `terok-executor run`"
        raise RequestError(f"agent {record.agent} cannot continue a conversation here", hint=hint)
    command = record.continue_command
    if record.resume_command and record.session:
        command = [word.replace("{session}", record.session) for word in record.resume_command]
    files = {"prompt.txt": checked_prompt(prompt), "next-command": shlex.join(command) + "\n"}
    roster.ensure_vault_routes(sandbox.config)
    return _start(sandbox, record, files)


def hand_over(sandbox: Sandbox, name: str) -> RunRecord:
    """Start an exited container only to hand its work to the gate; errors as for `resume`."""
    return _start(sandbox, _ended(sandbox, name), {"hand-over": ""})


def _ended(sandbox: Sandbox, name: str) -> RunRecord:
    record = load_record(task_dir(name))
    if record is None:
        raise RequestError(f"there is no record of a run named {name}", hint="see `terok-executor list`")
    if sandbox.runtime.container(name).running:
        raise RequestError(f"container {name} still runs", hint=f"stop it with `terok-executor stop {name}`")
    return record


def _start(sandbox: Sandbox, record: RunRecord, files: Mapping[str, str]) -> RunRecord:
    """Start a container with these files for its start script; its commits count from now on."""
    directory = task_dir(record.container)
    if record.scope:
        heads = GitGate.open(record.scope, base=sandbox.config.gate_base_path).branch_heads()
        record = replace(record, heads=heads)
        save_record(directory, record)
    for file, content in files.items():
        if record.sealed:
            inject_file(sandbox, record.container, file, content)
        else:
            write_sensitive_file(directory / "home" / file, content.encode("utf-8", "surrogateescape"))
    sandbox.start(record.container)
    return record


def inject_prompt(sandbox: Sandbox, name: str, text: str) -> None:
    """Copy the next prompt into a sealed container that does not run."""
    inject_file(sandbox, name, "prompt.txt", checked_prompt(text))


def inject_file(sandbox: Sandbox, name: str, file: str, content: str) -> None:
    """Copy a file into the task directory of a container."""
    with tempfile.TemporaryDirectory(prefix="terok-inject-") as directory:
        path = Path(directory) / file
        write_sensitive_file(path, content.encode("utf-8", "surrogateescape"))
        sandbox.copy_to(name, path, f"{CONTAINER_TASK_DIR}/{file}")
