"""Checks of files: who can get at them, room on the disk, directories of nobody, mirrors, routes, the lockdown."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from terok_util import TerokError, namespace_runtime_dir, namespace_state_dir

from terok.config import load_settings
from terok.config.spelling import parse_size
from terok.errors import TaskError
from terok.integrations.executor import AgentRoster
from terok.integrations.sandbox import GitGate, is_locked_down, read_lockdown, run_git
from terok.paths import free_bytes, panic_dir, tasks_dir, trash_dir
from terok.services.checks import Check, Finding, without_tasks
from terok.services.checks_records import exposed
from terok.services.marked import move_marked, read_marker
from terok.services.panic_evidence import LOG, check_evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from terok.integrations.sandbox import SandboxConfig
    from terok.services.health_view import View

STALE_LOCK: Final = 1800.0
"""Seconds after which nobody can still be holding a lock of git."""
FEW_FILES: Final = 0.01
"""Share of a file system's files below which it soon has none left."""


def of_files(view: View) -> Iterator[Check]:
    """Yield the checks of files."""
    config = view.sandbox.config
    yield Check("private files", partial(_private, config), "nobody else can get at them")
    yield Check("disk", _disk, "has room")
    yield Check("directories", partial(_directories, view), "each belongs to a task")
    yield Check("lockdown", partial(_lockdown, config), "there is none")
    yield Check("mirrors", partial(_mirrors, config), "can be read")
    yield Check("routes", partial(_routes, config), "are those of the roster")


def _private(config: SandboxConfig) -> Iterator[Finding]:
    places = [namespace_state_dir(), namespace_runtime_dir(), config.state_dir, config.runtime_dir, config.vault_dir]
    for place in dict.fromkeys((*places, tasks_dir(), trash_dir(), panic_dir(), config.usage_dir)):
        yield from exposed("private files", place, 0o700)
    files = [config.db_path, config.vault_session_file, config.routes_path, *sorted(config.usage_dir.glob("*/*"))]
    for place in files:
        yield from exposed("private files", place, 0o600)


def _disk() -> Iterator[Finding]:
    place = tasks_dir()
    left = free_bytes(place)
    floor = parse_size(load_settings().tasks.min_free_disk)
    hint = "`terok storage clean` lists what can go"
    if left is None:
        yield Finding("disk", "warn", f"it is not known how much is free at {place}")
    elif left < floor:
        text = f"{left / 2**30:.1f} GiB are free at {place}: no task starts below {floor / 2**30:.1f} GiB"
        yield Finding("disk", "warn", text, hint=hint)
    while not place.exists() and place != place.parent:
        place = place.parent
    facts = os.statvfs(place)
    if facts.f_files and facts.f_favail < FEW_FILES * facts.f_files:
        yield Finding("disk", "warn", f"only {facts.f_favail} more files fit at {place}", hint=hint)


def _directories(view: View) -> Iterator[Finding]:
    """Find directories of no task: with our marker they are remains of ours, without it somebody else's."""
    if view.store_error is not None:
        return
    known = {task.id: task for task in view.records.tasks}
    for directory in (*sorted(tasks_dir().glob("*/*")), *sorted(trash_dir().glob("*"))):
        task = known.get(directory.name)
        if task is not None:
            lost = directory.parent == trash_dir() and task.trashed is None and task.id not in view.records.leased
            if lost and not (tasks_dir() / task.project / task.id).exists() and not _under_way(view, task.id):
                text = f"the directory of task {task.id} is in the trash although the task is not deleted"
                back = partial(move_marked, directory, tasks_dir() / task.project / task.id, task.id)
                yield Finding("directories", "error", text, task.id, mend=without_tasks(back))
            continue
        try:
            read_marker(directory, directory.name)
        except TaskError:
            yield Finding("directories", "info", f"{directory} is not terok's, and is left alone")
            continue
        text = f"{directory} belongs to no task that is recorded"
        yield Finding("directories", "warn", text, hint="look at it; `terok storage clean` removes it once it is old")


def _under_way(view: View, task_id: str) -> bool:
    return any(one.state == "open" and one.subject == task_id for one in view.records.operations)


def _lockdown(config: SandboxConfig) -> Iterator[Finding]:
    if not is_locked_down(config.state_dir):
        return
    told: dict[str, Any] = read_lockdown(config.state_dir) or {}
    at = told.get("at")
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(at)) if isinstance(at, int | float) else "an unknown time"
    hint = "`terok panic --clear` ends the lockdown"
    yield Finding("lockdown", "warn", f"nothing starts since the panic of {since}", hint=hint)
    directory = panic_dir() / Path(str(told.get("evidence", ""))).name
    if not (directory / LOG).exists():
        yield Finding("lockdown", "error", "its evidence is gone", hint=f"see {panic_dir()}")
        return
    for problem in check_evidence(directory).problems:
        yield Finding("lockdown", "error", f"its evidence was changed: {problem}")


def _mirrors(config: SandboxConfig) -> Iterator[Finding]:
    for mirror in sorted(config.gate_base_path.glob("*.git")):
        name = mirror.name.removesuffix(".git")
        if stale := [path for path in _locks(mirror) if path.lstat().st_mtime < time.time() - STALE_LOCK]:
            text = f"{len(stale)} locks of git were left behind by a killed process, such as {stale[0].name}"
            yield Finding(
                "mirrors", "warn", f"mirror {name}: {text}", name, mend=without_tasks(partial(_unlock, stale))
            )
        try:
            GitGate.open(name, base=config.gate_base_path, config=config)
            done = run_git("rev-list", "--max-count=1", "--all", git_dir=mirror, check=False)
            problem = done.err_text.strip() if done.returncode else ""
        except TerokError as error:
            problem = error.message
        if problem:
            hint = f"`terok project gate sync {name}` makes it again once it is moved away; see {mirror}"
            yield Finding("mirrors", "error", f"mirror {name} cannot be read: {problem[:200]}", name, hint)


def _locks(mirror: Path) -> Iterator[Path]:
    yield from mirror.glob("*.lock")
    yield from (mirror / "refs").rglob("*.lock")


def _unlock(stale: list[Path]) -> None:
    for path in stale:
        if path.lstat().st_mtime < time.time() - STALE_LOCK:
            path.unlink(missing_ok=True)


def _routes(config: SandboxConfig) -> Iterator[Finding]:
    """Compare the vault's routes with what the roster says, which a person's own files are part of."""
    roster = AgentRoster.load()  # raises, naming the file, if one of the person's own is wrong
    if not config.routes_path.exists() and not config.db_path.exists():
        return  # nothing is set up
    try:
        kept = config.routes_path.read_text("utf-8")
    except (OSError, ValueError) as error:
        kept = f"unreadable: {error}"
    if kept != roster.generate_routes_json():

        def mend() -> None:
            config.routes_path.unlink(missing_ok=True)
            roster.ensure_vault_routes(config)

        text = f"{config.routes_path} is not what the roster says: providers may be reached by a wrong way"
        yield Finding("routes", "warn", text, hint="the next start of a task writes them", mend=without_tasks(mend))
