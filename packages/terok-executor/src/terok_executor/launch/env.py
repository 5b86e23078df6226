"""The environment and mounts of one agent container, decided from values alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from terok_executor.auth.phantom import phantom_text
from terok_executor.errors import RequestError
from terok_executor.image.context import CONTAINER_PROTOCOL
from terok_executor.integrations.sandbox import CONTAINER_VAULT_SOCKET, LOOPBACK_VAULT_PORT, Sharing, VolumeSpec
from terok_executor.launch.config_patch import ConfigPatch, filled_tree
from terok_executor.launch.identity import AGENT_ALONE, Authorship
from terok_executor.launch.subagents import SubAgent
from terok_executor.launch.timezone import check_timezone
from terok_executor.roster.roster import AgentRoster
from terok_executor.roster.template import MODEL_PATTERN, fill, needs
from terok_executor.roster.types import Agent, Installed, Provider, Tool

WORKSPACE = "/workspace"
CONTAINER_TASK_DIR = "/home/dev/.terok"
SHARED_MOUNT = "/shared"
SEED_MOUNT = "/var/lib/terok/seed.git"


@dataclass(frozen=True, slots=True)
class VaultLocation:
    """Where a container finds the vault: what `{vault_url}` and `{vault_socket}` of a tool's templates mean."""

    vault_url: str = f"http://127.0.0.1:{LOOPBACK_VAULT_PORT}"
    vault_socket: str = CONTAINER_VAULT_SOCKET


VAULT_URL = VaultLocation().vault_url


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerEnvSpec:
    """What the environment depends on.

    `gate_url` holds this container's gate token, None without one; `upstream` is what an `online` project has as
    origin, and all there is to clone without a gate. `seed` is a copy of the repository on this host that the
    workspace can be made from, `start` the commit that a new branch begins at. `phantom_token` stands for the
    credential of `provider`, whose type is `credential_type` and of which `credential` is what is no secret;
    `tool_tokens` are those of the tools, by name. `branch` is the branch the agent works on if it is given,
    `work_branch` the one made for it otherwise. `workspace` is a directory of the host.
    """

    task_id: str
    agent_name: str
    provider: str
    phantom_token: str
    task_dir: Path
    gate_url: str | None
    work_branch: str
    upstream: str | None = None
    seed: Path | None = None
    start: str | None = None
    credential_type: str = "api_key"
    credential: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    branch: str | None = None
    unrestricted: bool = True
    authorship: Authorship = AGENT_ALONE
    instructions: str = ""
    shared_dir: Path | None = None
    shared_mount: str = SHARED_MOUNT
    timezone: str | None = None
    workspace: Path | None = None
    subagents: tuple[SubAgent, ...] = ()
    tool_tokens: Mapping[str, str] = field(default_factory=dict)
    frontend: str | None = None


@dataclass(frozen=True, slots=True)
class ContainerEnvResult:
    """Environment variables, mounts, files and changes of files by their path on the host, the task directory there."""

    env: Mapping[str, str]
    volumes: tuple[VolumeSpec, ...]
    files: Mapping[Path, str]
    task_dir: Path
    patches: tuple[ConfigPatch, ...] = ()


def assemble_container_env(spec: ContainerEnvSpec, roster: AgentRoster) -> ContainerEnvResult:
    """Return what the agent's container is given: one agent's variables, one provider's token, nothing else.

    Raises RosterError for an unknown or unfitting agent or provider, RequestError for a bad value.
    """
    agent = roster.agent(spec.agent_name)
    provider = roster.bind(agent, spec.provider)
    _check_usable(agent, provider, spec.credential_type)
    values = {
        **_account_values(agent, spec.credential),
        **template_values(agent, provider, spec.model, spec.credential_type),
        "token_end": spec.phantom_token[-20:],
    }
    env = {
        "TASK_ID": spec.task_id,
        "TEROK_CONTAINER_PROTOCOL": CONTAINER_PROTOCOL,
        "REPO_ROOT": WORKSPACE,
        "TEROK_AGENT": agent.name,
        "TEROK_PROVIDER": provider.name,
        "TEROK_PROTOCOL": values["protocol"],
        "TEROK_BASE_URL": values["vault_url"],
        "TEROK_TOKEN_ENV": values["token_env"],
        **_repository(spec),
        **spec.authorship.environment(agent.git_identity),
        **_filled(agent.env, values),
        **_provider_env(agent, values, spec),
    }
    if spec.unrestricted:
        env["TEROK_UNRESTRICTED"] = "1"
        env.update(agent.auto_approve.env)
    extras = [roster.tools[name] for name in (*spec.tool_tokens, *([spec.frontend] if spec.frontend else []))]
    volumes = task_volumes(spec.task_dir, agent, *extras)
    if spec.seed is not None:
        env["TEROK_SEED"] = SEED_MOUNT
        volumes += (VolumeSpec(spec.seed, SEED_MOUNT, sharing=Sharing.SHARED, read_only=True),)
    if spec.workspace is not None:
        volumes += (VolumeSpec(spec.workspace, WORKSPACE, sharing=Sharing.PRIVATE),)
    if spec.shared_dir is not None:
        env["TEROK_SHARED_DIR"] = spec.shared_mount
        volumes += (VolumeSpec(spec.shared_dir, spec.shared_mount, sharing=Sharing.SHARED),)
    files = config_files(agent, values, spec.task_dir, spec.credential_type)
    if provider.name == agent.provider.default:
        files.update(_phantom_files(agent, spec))
    if agent.instructions_file is not None and spec.instructions:
        files[_host_path(agent, agent.instructions_file, spec.task_dir)] = spec.instructions
    for one in spec.subagents if agent.subagents_dir is not None else ():
        files[_host_path(agent, f"{agent.subagents_dir}/{one.name}.md", spec.task_dir)] = one.text
    if spec.tool_tokens:
        env["TEROK_TOOLS"] = ",".join(sorted(spec.tool_tokens))
    for name, token in spec.tool_tokens.items():
        tool_env, tool_files = tool_parts(roster.tools[name], roster, token, spec.task_dir)
        env.update(tool_env)
        files.update(tool_files)
    if zone := check_timezone(spec.timezone, known=False):
        env["TZ"] = zone
    return ContainerEnvResult(env, volumes, files, spec.task_dir, _patches(agent, values, spec))


def tool_parts(tool: Tool, roster: AgentRoster, token: str, task_dir: Path) -> tuple[dict[str, str], dict[Path, str]]:
    """Return the variables of a tool and its configuration files by their path on the host."""
    upstream = (roster.provider(tool.provider).upstream if tool.provider else None) or ""
    values = {
        "token": token,
        "upstream": upstream,
        "upstream_host": urlsplit(upstream).hostname or "",
        **asdict(VaultLocation()),
    }
    files = ((file.path, fill(file.content or "", values)) for file in tool.config_files)
    return _filled(tool.env, values), {
        _host_path(tool, path, task_dir): text for path, text in files if text is not None
    }


def _repository(spec: ContainerEnvSpec) -> dict[str, str]:
    origin = spec.upstream or spec.gate_url
    if origin is None:
        return {}
    env = {"CODE_REPO": origin, "TEROK_WORK_BRANCH": spec.work_branch}
    if spec.gate_url is None:
        env["TEROK_DELIVER"] = "check"
    elif spec.upstream:
        env["CLONE_FROM"] = spec.gate_url
    given = {"GIT_BRANCH": spec.branch, "TEROK_START": spec.start}
    return env | {name: value for name, value in given.items() if value}


def template_values(
    agent: Agent, provider: Provider, model: str | None, credential_type: str = "api_key"
) -> dict[str, str]:
    """Return what the placeholders of the agent's templates stand for with this provider.

    Raises RequestError if a template needs a model and neither the request nor the provider names one.
    """
    protocol = agent.protocol_for(provider) or ""
    chosen = model or provider.default_model or ""
    if not chosen and any(needs(text, "model") for text in agent.templates):
        raise RequestError(
            f"agent {agent.name} needs a model of provider {provider.name}", hint="name one with --model MODEL"
        )
    return {
        "label": provider.label,
        "provider": provider.name,
        "protocol": protocol,
        "model": chosen,
        "token_env": agent.provider.token_variable(credential_type),
        "vault_root": VAULT_URL,
        "vault_url": VAULT_URL + provider.serves[protocol],
        **agent.speaks[protocol],
    }


def config_files(
    agent: Agent, values: Mapping[str, str], task_dir: Path, credential_type: str = "api_key"
) -> dict[Path, str]:
    """Return the agent's configuration files for this type of credential, filled in, by their path on the host."""
    files = [file for file in agent.config_files if file.credential in (None, credential_type)]
    filled = ((file, fill(file.content, values)) for file in files if file.content is not None)
    return {_host_path(agent, file.path, task_dir): text for file, text in filled if text is not None}


def _patches(agent: Agent, values: Mapping[str, str], spec: ContainerEnvSpec) -> tuple[ConfigPatch, ...]:
    return tuple(
        ConfigPatch(_host_path(agent, file.path, spec.task_dir), filled_tree(file.patch, values), file.source)
        for file in agent.config_files
        if file.patch is not None and file.credential in (None, spec.credential_type)
    )


def _check_usable(agent: Agent, provider: Provider, credential_type: str) -> None:
    """Refuse a sign-in that another vendor's program could not work with: it is good for the vendor's own alone."""
    if credential_type == "oauth" and "oauth" not in {file.type for file in agent.credential_files}:
        raise RequestError(
            f"the credential of {provider.label} is a sign-in, which agent {agent.name} cannot use",
            hint=f"store a key: `terok-executor auth {provider.name} --method api-key --credential-set keys`,"
            " and run with --credential-set keys",
        )


def _account_values(agent: Agent, credential: Mapping[str, Any]) -> dict[str, str]:
    """Return what templates may say of the account: a vendor's texts, as far as they end no quoted string."""
    names = {name for file in agent.credential_files for name in file.optional}
    texts = {name: str(credential.get(name, "")) for name in names}
    return {name: text if re.fullmatch(MODEL_PATTERN, text) else "" for name, text in texts.items()}


def _phantom_files(agent: Agent, spec: ContainerEnvSpec) -> dict[Path, str]:
    """Return the credential files that the agent would have after signing in itself, with the phantom token in them."""
    texts = (
        (file, phantom_text(file, spec.phantom_token, spec.credential))
        for file in agent.credential_files
        if file.type == spec.credential_type
    )
    return {_host_path(agent, file.path, spec.task_dir): text for file, text in texts if text is not None}


def _host_path(agent: Installed, path: str, task_dir: Path) -> Path:
    roots = {mount.container_path.rstrip("/") + "/": mount for mount in agent.mounts}
    root = next(item for item in roots if path.startswith(item))
    return task_dir / "state" / roots[root].host_dir / path.removeprefix(root)


def _filled(templates: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    filled = ((name, fill(text, values)) for name, text in templates.items())
    return {name: text for name, text in filled if text is not None}


def _provider_env(agent: Agent, values: Mapping[str, str], spec: ContainerEnvSpec) -> dict[str, str]:
    env = {values["token_env"]: spec.phantom_token}
    if agent.provider.base_url_env:
        env[agent.provider.base_url_env] = values["vault_url"]
    return env


def task_volumes(task_dir: Path, *owners: Installed) -> tuple[VolumeSpec, ...]:
    """Return the mounts of a task: its own directory, and what its agent and tools keep."""
    own = VolumeSpec(task_dir / "home", CONTAINER_TASK_DIR, sharing=Sharing.PRIVATE)
    state = (
        VolumeSpec(task_dir / "state" / mount.host_dir, mount.container_path, sharing=Sharing.PRIVATE)
        for owner in owners
        for mount in owner.mounts
    )
    return (own, *state)
