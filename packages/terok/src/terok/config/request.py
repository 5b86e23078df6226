"""From a project's settings to a launch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from terok_util import ensure_dir, namespace_state_dir

from terok.config.instructions import with_appended
from terok.integrations import executor
from terok.integrations.sandbox import SandboxConfig

if TYPE_CHECKING:
    from terok.config.project import Project


def run_options(project: Project) -> dict[str, Any]:
    """Return what a project's settings say of a launch: JSON values by the names of `AgentRequest`'s fields.

    The directory that terok keeps for the project's tasks is made if they share one. RequestError if a person has to be
    named in commits and nobody is.
    """
    run, agent, git = project.run, project.agent, project.git
    shared = project.shared.dir
    if shared is True:
        shared = str(ensure_dir(shared_directory(project.name)))
    return {
        "repo": git.upstream,
        "default_branch": git.branch,
        "project_id": project.name,
        "agent": agent.name,
        "provider": agent.provider,
        "model": agent.model,
        "max_turns": agent.max_turns,
        "instructions": _plain(with_appended(agent.instructions, _own_instructions(project))),
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
        "shared_dir": shared or None,
        "shared_mount": project.shared.mount,
        "references": [[repo.name, repo.upstream, repo.branch] for repo in git.repos],
        "base_image": project.image.base_image,
        "family": project.image.family,
        **_identity(project),
    }


def sandbox_config(project: Project) -> SandboxConfig:
    """Return the sandbox's configuration for containers of a project."""
    return replace(SandboxConfig.load(), **project.sandbox)


def shared_directory(name: str) -> Path:
    """Return the directory that terok keeps for all tasks of a project."""
    return namespace_state_dir("shared") / name


def _own_instructions(project: Project) -> str:
    """Return what every agent in the project is told beside the settings: its file, and where else it can read."""
    places = "\n".join(f"- `git clone /repos/{repo.name}.git`: {repo.upstream}" for repo in project.git.repos)
    more = f"Further repositories of this project, to read; what is committed in them stays here:\n{places}"
    return "\n\n".join(text for text in (project.instructions.strip(), more if places else "") if text)


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
