"""From a project's settings to a launch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from terok_util import namespace_state_dir

from terok.config.instructions import with_appended
from terok.integrations import executor
from terok.integrations.sandbox import SandboxConfig

if TYPE_CHECKING:
    from terok.config.project import Project


def run_options(project: Project) -> dict[str, Any]:
    """Return what a project's settings say of a launch: JSON values by the names of `AgentRequest`'s fields.

    RequestError if a person has to be named in commits and nobody is.
    """
    run, agent, git = project.run, project.agent, project.git
    shared = project.shared.dir
    return {
        "repo": git.upstream,
        "default_branch": git.branch,
        "project_id": project.name,
        "agent": agent.name,
        "provider": agent.provider,
        "model": agent.model,
        "max_turns": agent.max_turns,
        "instructions": _plain(with_appended(agent.instructions, project.instructions)),
        "subagents": list(agent.subagents),
        "timeout": run.timeout,
        "timezone": run.timezone,
        "memory": run.memory,
        "cpus": run.cpus,
        "gpus": run.gpus,
        "runtime": run.runtime,
        "env": dict(run.env),
        "tools": list(run.tools),
        "sealed": run.sealed,
        "unrestricted": run.unrestricted,
        "allow": list(project.shield.allow),
        "policy": project.shield.policy,
        "credential_set": project.credentials.set,
        "ssh_scope": project.name if project.credentials.ssh_keys else None,
        "shared_dir": str(shared_directory(project.name)) if shared is True else shared or None,
        "shared_mount": project.shared.mount,
        "base_image": project.image.base_image,
        "family": project.image.family,
        **_identity(project),
    }


def sandbox_config(project: Project) -> SandboxConfig:
    """Return the sandbox's configuration for containers of a project."""
    return replace(SandboxConfig.load(), **project.sandbox)


def shared_directory(name: str) -> Any:
    """Return the directory that terok keeps for all tasks of a project."""
    return namespace_state_dir("shared") / name


def _identity(project: Project) -> dict[str, Any]:
    git = project.git
    name, email = git.human_name, git.human_email
    if "human" in git.authorship and (name is None or email is None):
        host = executor.host_identity()
        name, email = name or host.name, email or host.email
    return {"authorship": git.authorship, "human_name": name, "human_email": email}


def _plain(value: Any) -> Any:
    """Return the value as JSON has it."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value
