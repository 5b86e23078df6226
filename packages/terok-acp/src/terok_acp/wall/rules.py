"""The values that a session's wall is told, and those that it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def no_host(host: str, port: int) -> bool:
    """Allow no host."""
    return False


def no_link(path: str) -> bool:
    """Know of no link."""
    return False


@dataclass(frozen=True, slots=True)
class Rules:
    """The permissions of one session; nothing is allowed unless said.

    `mcp_commands` are commands of MCP servers that the project lets the editor start inside the container, and
    `host_allowed` is the shield's answer about a name and a port. `leads_out` says of an editor's path that the agent
    has put a link in its way: what is there is not what it seems to be. `terminal_output` says that the editor shows
    terminals from `_meta`; `images`, `audio` and `embedded` say what the agent takes in a prompt.
    """

    mcp_commands: frozenset[str] = frozenset()
    host_allowed: Callable[[str, int], bool] = no_host
    leads_out: Callable[[str], bool] = no_link
    terminal_output: bool = False
    images: bool = False
    audio: bool = False
    embedded: bool = False


@dataclass(frozen=True, slots=True)
class Passed:
    """Params that may go to the container, and what the editor's user has to know about them, a line each."""

    params: dict[str, Any]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """A frame that stops here; a request is answered with this error."""

    code: int
    message: str
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that stops here with this result."""

    result: dict[str, Any]
    notices: tuple[str, ...] = ()
