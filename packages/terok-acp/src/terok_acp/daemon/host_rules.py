"""Answers of the host to the wall's questions: what the shield allows, and whether a link is in a path's way."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import replace

from terok_util import TerokError

from terok_acp.integrations.sandbox import SandboxConfig, Shield
from terok_acp.wall.paths import Roots
from terok_acp.wall.rules import Rules


def with_host(rules: Rules, config: SandboxConfig, container: str, workspace: Roots | None) -> Rules:
    """Return rules that ask the container's shield about destinations, and look for links in its workspace."""

    def host_allowed(host: str, port: int) -> bool:
        try:
            return Shield(container, config).wall.decide_destination(host, port).allowed
        except TerokError:  # no shield that could be asked allows nothing
            return False

    if workspace is None:
        return replace(rules, host_allowed=host_allowed)
    return replace(rules, host_allowed=host_allowed, leads_out=links_below(workspace.editor))


def links_below(root: str) -> Callable[[str], bool]:
    """Return what says of a path below `root`, which an agent can write to, whether it goes through a link.

    An editor that follows it would read or write somewhere else on the host. A path that cannot be looked at does, too.
    """

    def leads_out(path: str) -> bool:
        if not path.startswith(root + "/"):
            return False
        place = root
        for name in path[len(root) + 1 :].split("/"):
            place = f"{place}/{name}"
            try:
                if stat.S_ISLNK(os.lstat(place).st_mode):
                    return True
            except FileNotFoundError:
                return False
            except (OSError, ValueError):
                return True
        return False

    return leads_out
