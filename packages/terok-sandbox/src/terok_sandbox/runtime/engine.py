"""Calls of podman: bounded in time, and every failure told apart from an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import IO, Final

from terok_util.process import Completed, ProcessError, ProcessTimeout, ToolNotFound, find_tool, kill_tree, run, spawn
from terok_util.text import last_line, safe_text

from terok_sandbox.descriptors import has_ended
from terok_sandbox.errors import (
    ContainerNotFound,
    EngineError,
    EngineTimeout,
    ImageNotFound,
    LaunchError,
    NameTaken,
    PrerequisiteMissing,
)

PROBE_TIMEOUT: Final = 30.0
START_TIMEOUT: Final = 60.0
REMOVE_TIMEOUT: Final = 120.0
LONGEST: Final = 24 * 86400.0  # seconds that stand for "as long as it takes": about what one poll can wait
STOP_SLACK: Final = 15.0  # seconds beyond the container's own grace until a stop counts as hung
LOST_NAMESPACE: Final = "podman system migrate"
"""Podman's own remedy after the processes that hold its user namespace were killed."""
_NO_CONTAINER: Final = re.compile(
    r"no such container|no container with (?:name|ID)|no such object|container \"[^\"]*\" does not exist", re.IGNORECASE
)
_NO_IMAGE: Final = re.compile(r"image not known|no such image|no such object|unable to find a name", re.IGNORECASE)
_HOOK: Final = re.compile(r"terok: (?P<why>container .+? not started: .+?)(?:; (?P<hint>[^;]*?))?(?:\\n|\n|\"|: OCI|$)")


def find_podman() -> str:
    """Return podman's absolute path; raises PrerequisiteMissing."""
    try:
        return find_tool("podman")
    except ToolNotFound as error:
        raise PrerequisiteMissing("podman is not installed", hint="install podman 4.3 or newer") from error


def podman(
    arguments: Sequence[str],
    *,
    timeout: float,
    program: str | None = None,
    input: bytes | None = None,  # noqa: A002
) -> Completed:
    """Run podman and return how it ended, whatever the exit code; EngineTimeout or EngineError when it did not end."""
    try:
        return run([program or find_podman(), *arguments], timeout=timeout, input=input, check=False)
    except ProcessTimeout as error:
        raise EngineTimeout(
            f"podman {arguments[0]} did not answer within {timeout:g} s", hint="see what `podman info` says"
        ) from error
    except ProcessError as error:
        raise EngineError(f"podman {arguments[0]} could not be run: {error.message}") from error


def ask(arguments: Sequence[str], *, timeout: float = PROBE_TIMEOUT, container: str = "", image: str = "") -> Completed:
    """Run podman and insist on success; raises ContainerNotFound or ImageNotFound for a named subject, EngineError."""
    completed = podman(arguments, timeout=timeout)
    if completed.returncode != 0:
        raise failure(completed, arguments[0], container=container, image=image)
    return completed


def failure(completed: Completed, verb: str, *, container: str = "", image: str = "") -> EngineError:
    """Return the error that a failed podman call amounts to."""
    said = completed.err_text
    if container and _NO_CONTAINER.search(said):
        return ContainerNotFound(f"there is no container {container}", hint="see `terok-sandbox list`")
    if image and _NO_IMAGE.search(said):
        return ImageNotFound(f"there is no image {image} on this host", hint=f"get it with `podman pull {image}`")
    hint = "run `terok-sandbox doctor --fix`" if LOST_NAMESPACE in said else None
    return EngineError(f"podman {verb} failed: {_reason(said) or f'exit code {completed.returncode}'}", hint=hint)


def start_failure(completed: Completed, name: str, image: str = "") -> LaunchError | EngineError:
    """Return the error of a failed `podman run` or `start`: the hook's own words if it was the hook."""
    said = completed.err_text
    if refusal := hook_refusal(said):
        return refusal
    if re.search(r"name .* is already in use", said):
        return NameTaken(f"a container named {name} exists already", hint=f"remove it with `terok-sandbox rm {name}`")
    error = failure(completed, "start", container=name, image=image)
    if type(error) is not EngineError:
        return error
    return LaunchError(
        f"container {name} not started: {_reason(said) or f'podman ended with {completed.returncode}'}", hint=error.hint
    )


def hook_refusal(said: str) -> LaunchError | None:
    """Return the hook's refusal to start a container, if `said` has it."""
    match = _HOOK.search(said)
    if match is None:
        return None
    return LaunchError(safe_text(match["why"], limit=500), hint=safe_text(match["hint"] or "", limit=300) or None)


def _reason(output: str) -> str:
    """Return the last line that Podman wrote, without its own prefix."""
    return last_line(output).removeprefix("Error: ")


def run_on_streams(
    argv: Sequence[str],
    what: str,
    *,
    stdin: int | IO[bytes],
    stdout: int | IO[bytes],
    stderr: int | IO[bytes],
    timeout: float | None,
) -> int:
    """Run `argv` on the caller's streams and return its exit code; EngineTimeout naming `what` after `timeout` s."""
    child = spawn(argv, stdin=stdin, stdout=stdout, stderr=stderr)
    try:
        if not has_ended(child.pid, timeout):
            raise EngineTimeout(f"{what} did not end within {timeout:g} s")
        return child.wait()
    finally:
        if child.returncode is None:
            kill_tree(child)
