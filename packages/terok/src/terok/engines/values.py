"""Values that pass between the use cases of tasks and an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from terok.integrations.sandbox import SandboxConfig

Say = Callable[[str], None]
"""Takes a line of progress."""


def container_name(project: str, task: str) -> str:
    """Return the name of a task's container."""
    return f"terok-{project}-{task}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A task as an engine starts it.

    `request` has fields of the executor's `AgentRequest` by name, as JSON values, and the `port` of a web page.
    `workspace` is a directory of the host; None if the container keeps its own. `image` is the reference of a ready
    image, None for the agent's own. `config` is what the sandbox allows this task.
    """

    container: str
    mode: str
    request: Mapping[str, Any]
    workspace: Path | None
    config: SandboxConfig
    image: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of the shell on a commit of a gate, in a container of its own of the image of `task_container`.

    `timeout` is in seconds; `options` are fields of the sandbox's `RunSpec` by name.
    """

    container: str
    task_container: str
    scope: str
    commit: str
    branch: str
    command: str
    timeout: int
    config: SandboxConfig
    allow: tuple[str, ...] = ()
    profiles: tuple[str, ...] | None = None
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A task that has been started: when it began, with which agent, where its commits arrive."""

    started: float
    agent: str
    provider: str
    scope: str
    branch: str
