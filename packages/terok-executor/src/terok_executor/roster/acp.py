"""How an agent speaks the Agent Client Protocol (ACP), as its YAML file describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from terok_util import lean_dataclass

from terok_executor.roster.install import NpmPackage
from terok_executor.roster.spelling import NOT_EMPTY, Argument, EnvName, Line, Section

MODULES = "/opt/acp/{name}/node_modules"
"""Where the packages of an agent's adapter are in an image."""


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class AcpSpec(Section):
    """Section `acp`: the program that speaks the protocol, and what is particular about it; a list is its `command`."""

    command: Annotated[tuple[Argument, ...], NOT_EMPTY]
    env: Mapping[EnvName, Line] = field(default_factory=dict)
    """Variables of this program alone."""
    packages: tuple[NpmPackage, ...] = ()
    """The packages of npm that the program consists of, for Node, each in its directory in `MODULES`."""
    default_mode: Line = ""
    """The session mode to begin with where a person is to be asked; empty leaves it to the program."""
    free_mode: Line = ""
    """The same for a run that acts without asking."""
    models_legacy: bool = False
    """Whether it takes a model by `session/set_model`, and has no option for it."""
    replay_after_reply: bool = False
    """Whether the history of a loaded session may still come after the reply."""
    share_process: bool = True
    """Whether sessions with different MCP servers may share one process."""
    asks_permission: bool = True
    """Whether it ever asks for a permission."""
    stop_signal: Literal["eof", "term"] = "eof"
    """The end of its input ends it, or only SIGTERM does."""
    resume_by: tuple[Literal["resume", "load"], ...] = ()
    """How it takes up a session of an earlier process, the better way first; empty if it cannot be relied on."""
