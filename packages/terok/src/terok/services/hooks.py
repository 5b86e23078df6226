"""A project's own commands around a task's life: each once for a transition, whoever notices the transition first.

Command line and controller may both see that a container has ended. Who is first writes so before it runs the command;
a command whose program was killed in the middle is not run again, because nobody knows how far it came.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from terok_util import ensure_dir, last_line, safe_text, write_sensitive_file
from terok_util.process import ProcessError, ProcessTimeout, run

from terok.errors import ProjectError

if TYPE_CHECKING:
    from pathlib import Path

    from terok.config import Project
    from terok.model.task import Task
    from terok.store import Store, Writer

Point = Literal["pre_start", "post_start", "post_ready", "post_stop"]
INHERITED: Final = (
    *("HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "TERM"),
    *("DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"),
    *("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "TEROK_ROOT"),
)
"""Variables of our own environment that a hook has too. Any other might hold a secret."""
MAX_OUTPUT: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class HookResult:
    """The end of a hook: `exit_code` is None if it was killed or could not be started; `output` is a file, if kept."""

    point: Point
    exit_code: int | None
    seconds: float
    said: str
    output: Path | None

    @property
    def failed(self) -> bool:
        """Whether it did not end well."""
        return self.exit_code != 0


def run_hook(store: Store, task: Task, project: Project, point: Point, directory: Path) -> HookResult | None:
    """Run a project's hook for a transition of a task; None if there is none, or it has been run already.

    The transition is that of the run which began at `task.started`, so the run must be recorded first. `directory` is
    the task's; output is kept below it in `hooks`, unless it is gone, as after a deletion.

    Raises:
        ProjectError: The hook is `pre_start` and failed: the task must not start.
    """
    command = getattr(project.hooks, point)
    if command is None:
        return None
    with store.write() as writer:
        number = claim(writer, task, point)
    if number is None:
        return None
    began = time.monotonic()
    code, said, output = _carry_out(command, project, hook_environment(task, point), project.hooks.timeout)
    file = None
    if directory.is_dir():
        file = ensure_dir(directory / "hooks") / f"{point}.log"
        write_sensitive_file(file, output, durable=False)
    result = HookResult(point, code, time.monotonic() - began, said, file)
    with store.write() as writer:
        ended = {"exit_code": code, "seconds": round(result.seconds, 3), "said": said, "output": str(file or "")}
        writer.event(task.id, "hook", point=point, run=number, state="ended", **ended)
    if result.failed and point == "pre_start":
        raise ProjectError(
            f"the hook pre_start of project {project.name} {_ending(result)}: {said}", hint=f"see {file}"
        )
    return result


def claim(writer: Writer, task: Task, point: Point) -> int | None:
    """Record that a hook begins, and return the number of its run.

    None if that is recorded already, or if `task.started` belongs to no run: a task stopped in the queue has none.
    """
    runs = writer.rows(
        "SELECT max(seq) FROM events WHERE task = ? AND kind = 'starting'"
        " AND abs(json_extract(data, '$.started') - ?) < 1e-4",
        *(task.id, task.started),
    )
    number: int | None = runs[0][0]
    found = writer.rows(
        "SELECT 1 FROM events WHERE task = ? AND kind = 'hook'"
        " AND json_extract(data, '$.point') = ? AND json_extract(data, '$.run') = ? LIMIT 1",
        *(task.id, point, number),
    )
    if number is None or found:
        return None
    writer.event(task.id, "hook", point=point, run=number, state="begun")
    return number


def hook_environment(task: Task, point: Point) -> dict[str, str]:
    """Return all variables of a hook: some of ours, and `TEROK_*` about the task. None of them is a secret."""
    own = {name: os.environ[name] for name in INHERITED if name in os.environ}
    about = {
        "HOOK": point,
        "PROJECT": task.project,
        "TASK": task.id,
        "TASK_NAME": task.name,
        "TASK_MODE": task.mode,
        "AGENT": task.agent,
        "CONTAINER": task.container,
        "BRANCH": task.branch,
        "EXIT_CODE": "" if task.exit_code is None or point != "post_stop" else str(task.exit_code),
    }
    return own | {f"TEROK_{name}": value for name, value in about.items()}


def _carry_out(
    command: str, project: Project, environment: dict[str, str], timeout: int
) -> tuple[int | None, str, bytes]:
    """Return exit code, last line and output of a command."""
    script = f"exec 2>&1\n{command}"
    kept = bytearray()

    def keep(piece: bytes) -> None:
        kept.extend(piece[: MAX_OUTPUT - len(kept)])

    try:
        done = run(
            ["/bin/sh", "-c", script],
            timeout=timeout,
            env=environment,
            cwd=project.directory,
            check=False,
            sink=keep,
        )
    except ProcessTimeout:
        return None, f"killed after {timeout} s", bytes(kept)
    except ProcessError as error:
        return None, safe_text(error.message, limit=300), bytes(kept)
    return done.returncode, last_line(bytes(kept), limit=300), bytes(kept)


def _ending(result: HookResult) -> str:
    return "did not end" if result.exit_code is None else f"failed with exit code {result.exit_code}"
