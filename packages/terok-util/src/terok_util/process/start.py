"""Starting a child process."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, NoReturn

from terok_util.process.errors import ProcessError, ToolNotFound, command_line
from terok_util.process.tools import checked_argv, checked_env, find_tool

if TYPE_CHECKING:  # Python would compile each of these lines in every command that starts a process
    from typing import TypedDict, Unpack

    class SpawnOptions(TypedDict, total=False):
        """How a child is started."""

        stdin: int | IO[bytes] | None  # a descriptor, a file, PIPE or DEVNULL (the default)
        stdout: int | IO[bytes] | None  # the same; ours by default
        stderr: int | IO[bytes] | None  # the same, or STDOUT
        env: Mapping[str, str] | None  # else ours
        cwd: str | os.PathLike[str] | None  # else ours
        pass_fds: Sequence[int]  # descriptors it inherits besides these three
        detach: bool  # a session of its own, so that it outlives our terminal
        preexec: Callable[[], None] | None  # runs in the child before exec; must take no lock that a thread may hold
        memory: int | None  # bytes that it, and each it starts, may allocate (RLIMIT_DATA); else our hard limit
        cpu: int | None  # seconds of processor time that it, and each process it starts, may use


Process = subprocess.Popen[bytes]
"""A child that `spawn` has started."""

PIPE = subprocess.PIPE
DEVNULL = subprocess.DEVNULL
STDOUT = subprocess.STDOUT


def spawn(argv: Sequence[str | os.PathLike[str]], **options: Unpack[SpawnOptions]) -> Process:
    """Start a long-lived child in a process group of its own and return it; the caller ends and reaps it (`kill_tree`).

    ToolNotFound if there is no such program, ProcessError if it could not be started.
    """
    command, words = _prepared(argv, options)
    try:
        return limit(subprocess.Popen(command, **words), options.get("memory"), options.get("cpu"))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise _not_started(command, options.get("cwd"), error) from error


def _prepared(argv: Sequence[str | os.PathLike[str]], options: SpawnOptions) -> tuple[tuple[str, ...], dict[str, Any]]:
    command = checked_argv(argv)
    environment = checked_env(options.get("env"))
    cwd, detach = options.get("cwd"), options.get("detach", False)
    return command, {
        "executable": find_tool(command[0], env=environment),
        "stdin": options.get("stdin", DEVNULL),
        **{name: options.get(name) for name in ("stdout", "stderr")},
        "env": environment,
        "cwd": None if cwd is None else os.fspath(cwd),
        "pass_fds": tuple(options.get("pass_fds", ())),
        "close_fds": True,
        "start_new_session": detach,
        "process_group": None if detach else 0,
        "preexec_fn": options.get("preexec"),
    }


def limit(child: Process, memory: int | None = None, cpu: int | None = None) -> Process:
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
    """Become the program that `argv` names; ToolNotFound or ProcessError if that fails."""
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
        # The file exists, so the interpreter in its first line does not.
        return ToolNotFound(f"program cannot run here: {shown}", hint=f"check the first line of {command[0]}")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ProcessError(f"cannot start ({reason}): {shown}")
