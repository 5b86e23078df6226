"""Bringing the mirror of a project up to date with its upstream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok.config import sandbox_config
from terok.errors import ProjectError
from terok.integrations.sandbox import GitGate

if TYPE_CHECKING:
    from collections.abc import Callable

    from terok.config import Project
    from terok.integrations.sandbox import GateSyncResult


def bring_up_to_date(project: Project, say: Callable[[str], None]) -> GateSyncResult:
    """Sync the mirror of a project, which is made if need be; GateError if that fails.

    ProjectError for a project without a repository, or without the branch that it names.
    """
    upstream, branch = project.git.upstream, project.git.branch
    if upstream is None:
        raise ProjectError(
            f"project {project.name} has no repository", hint=f"`terok project edit {project.name} git.upstream REPO`"
        )
    config = sandbox_config(project)
    gate = GitGate(project.name, base=config.gate_base_path, upstream=upstream, default_branch=branch, config=config)
    say(f"mirroring {upstream}")
    synced = gate.sync()
    if branch is not None and synced.start is None:
        raise ProjectError(
            f"{upstream} has no branch {branch}", hint=f"`terok project edit {project.name} git.branch BRANCH`"
        )
    return synced
