"""Starting a child: the one place where a process comes into being."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any, NoReturn, TypedDict, TypeVar, Unpack

from terok_util.process.errors import ProcessError, ToolNotFound, command_line
from terok_util.process.tools import checked_argv, checked_env, find_tool

if TYPE_CHECKING:
    import asyncio.subprocess
    from collections.abc import Callable, Mapping, Sequence

    from terok_util.process.kill import HasPid

Child = TypeVar("Child", bound="HasPid")

Process = subprocess.Popen[bytes]
"""A child that `spawn` has started."""

PIPE = subprocess.PIPE
DEVNULL = subprocess.DEVNULL
STDOUT = subprocess.STDOUT


class SpawnOptions(TypedDict, total=False):
    """How a child is started.

    stdin, stdout, stderr   a descriptor, a file, PIPE, DEVNULL or STDOUT; stdin is closed unless given
    env, cwd                its environment and directory, else ours
    pass_fds                descriptors it inherits besides these three
    detach                  gives it a session of its own too, so that it outlives our terminal
    preexec                 runs in the child before exec; must not take locks that threads of ours may hold
    memory                  bytes that it, and each process it starts, may allocate (RLIMIT_DATA); without it, what
                            our own hard limit allows, whatever we keep to ourselves
    cpu                     seconds of a processor that it, and each process it starts, may use
    """

    stdin: int | IO[bytes] | None
    stdout: int | IO[bytes] | None
    stderr: int | IO[bytes] | None
    env: Mapping[str, str] | None
    cwd: str | os.PathLike[str] | None
    pass_fds: Sequence[int]
    detach: bool
    preexec: Callable[[], None] | None
    memory: int | None
    cpu: int | None


def spawn(argv: Sequence[str | os.PathLike[str]], **options: Unpack[SpawnOptions]) -> subprocess.Popen[bytes]:
    """Start a long-lived child in a process group of its own and return it.

    The caller reaps it (`kill_tree` does both). Raises ToolNotFound or ProcessError.
    """
    command, words = _prepared(argv, options)
    try:
        return limit(subprocess.Popen(command, **words), options.get("memory"), options.get("cpu"))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise _not_started(command, options.get("cwd"), error) from error


async def spawn_async(
    argv: Sequence[str | os.PathLike[str]], **options: Unpack[SpawnOptions]
) -> asyncio.subprocess.Process:
    """Like `spawn`, for a running event loop: streams given as PIPE are asyncio streams."""
    import asyncio

    command, words = _prepared(argv, options)
    try:
        child = await asyncio.create_subprocess_exec(*command, **words)
        return limit(child, options.get("memory"), options.get("cpu"))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise _not_started(command, options.get("cwd"), error) from error


def _prepared(argv: Sequence[str | os.PathLike[str]], options: SpawnOptions) -> tuple[tuple[str, ...], dict[str, Any]]:
    command = checked_argv(argv)
    environment = checked_env(options.get("env"))
    cwd, detach = options.get("cwd"), options.get("detach", False)
    return command, {
        "executable": find_tool(command[0], env=environment),
        "stdin": options.get("stdin", DEVNULL),
        "stdout": options.get("stdout"),
        "stderr": options.get("stderr"),
        "env": environment,
        "cwd": None if cwd is None else os.fspath(cwd),
        "pass_fds": tuple(options.get("pass_fds", ())),
        "close_fds": True,
        "start_new_session": detach,
        "process_group": None if detach else 0,
        "preexec_fn": options.get("preexec"),
    }


def limit(child: Child, memory: int | None = None, cpu: int | None = None) -> Child:
    """Bound what a child may use from now on, as `memory` and `cpu` of `SpawnOptions` do, and return the child.

    A child that was started ahead of its work is bounded before it gets any.
    """
    # Set from here: code between fork and exec would make every start slow.
    own, most = resource.getrlimit(resource.RLIMIT_DATA)
    limits = {}
    if (allowed := most if memory is None else memory) != own:
        limits[resource.RLIMIT_DATA] = allowed
    if cpu is not None:
        limits[resource.RLIMIT_CPU] = cpu
    for name, value in limits.items():
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(child.pid, name, (value, value))
    return child


def exec_replace(argv: Sequence[str | os.PathLike[str]], env: Mapping[str, str] | None = None) -> NoReturn:
    """Become the program `argv` names; returns only by raising ToolNotFound or ProcessError."""
    command = checked_argv(argv)
    environment = checked_env(env)
    program = find_tool(command[0], env=environment)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    try:
        os.execve(program, command, os.environ if environment is None else environment)
    except OSError as error:
        raise _not_started(command, None, error) from error


def _not_started(command: tuple[str, ...], cwd: str | os.PathLike[str] | None, error: Exception) -> ProcessError:
    shown = command_line(command)
    if isinstance(error, OSError) and cwd is not None and error.filename == os.fspath(cwd):
        return ProcessError(f"cannot start in directory {os.fspath(cwd)!r} ({error.strerror}): {shown}")
    if isinstance(error, FileNotFoundError):
        # The file is there, so it is the interpreter of its first line that is missing.
        return ToolNotFound(f"program cannot run here: {shown}", hint=f"check the first line of {command[0]}")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ProcessError(f"cannot start ({reason}): {shown}")
