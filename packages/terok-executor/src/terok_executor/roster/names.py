"""Names of what the roster has, for shell completion: from names of files, without reading one."""

from __future__ import annotations

import os

from terok_executor.paths import RESOURCES, user_roster_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def agent_names(prefix: str, words: Sequence[str]) -> list[str]:
    """Return the names of agents."""
    return _names("agents")


def provider_names(prefix: str, words: Sequence[str]) -> list[str]:
    """Return the names of providers."""
    return _names("providers")


def agent_or_provider_names(prefix: str, words: Sequence[str]) -> list[str]:
    """Return the names of agents and providers."""
    return sorted({*_names("agents"), *_names("providers")})


def tool_names(prefix: str, words: Sequence[str]) -> list[str]:
    """Return the names of tools."""
    return _names("tools")


def _names(kind: str) -> list[str]:
    found: set[str] = set()
    for place in (RESOURCES / kind, user_roster_dir(kind)):
        try:
            found |= {name[: -len(".yaml")] for name in os.listdir(place) if name.endswith(".yaml")}  # noqa: PTH208
        except OSError:
            continue
    return sorted(found)
