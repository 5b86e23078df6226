"""The environment and mounts of one agent container, decided from values alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from terok_executor.auth.phantom import phantom_text
from terok_executor.errors import RequestError
from terok_executor.integrations.sandbox import LOOPBACK_VAULT_PORT, Sharing, VolumeSpec
from terok_executor.launch.config_patch import ConfigPatch, filled_tree
from terok_executor.launch.identity import AGENT_ALONE, Authorship
from terok_executor.roster.roster import AgentRoster
from terok_executor.roster.template import MODEL_PATTERN, fill, needs
from terok_executor.roster.types import Agent, Provider

CONTAINER_PROTOCOL = "1"
CONTAINER_TASK_DIR = "/home/dev/.terok"
SHARED_MOUNT = "/shared"
VAULT_URL = f"http://127.0.0.1:{LOOPBACK_VAULT_PORT}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerEnvSpec:
    """What the environment depends on.

    ``code_repo`` is the gate URL with this container's gate token in it. ``phantom_token`` stands for the credential of
    ``provider``, whose type is ``credential_type`` and of which ``credential`` is what is no secret. ``branch`` is the
    branch the agent works on if it is given, ``work_branch`` the one made for it otherwise.
    """

    task_id: str
    agent_name: str
    provider: str
    phantom_token: str
    task_dir: Path
    code_repo: str
    work_branch: str
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
    }
    env = {
        "TASK_ID": spec.task_id,
        "TEROK_CONTAINER_PROTOCOL": CONTAINER_PROTOCOL,
        "REPO_ROOT": "/workspace",
        "CODE_REPO": spec.code_repo,
        "TEROK_WORK_BRANCH": spec.work_branch,
        "TEROK_PROVIDER": provider.name,
        **spec.authorship.environment(agent.git_identity),
        **_filled(agent.env, values),
        **_provider_env(agent, values, spec),
    }
    if spec.branch:
        env["GIT_BRANCH"] = spec.branch
    if spec.unrestricted:
        env["TEROK_UNRESTRICTED"] = "1"
        env.update(agent.auto_approve.env)
    volumes = _volumes(agent, spec.task_dir)
    if spec.shared_dir is not None:
        env["TEROK_SHARED_DIR"] = spec.shared_mount
        volumes += (VolumeSpec(spec.shared_dir, spec.shared_mount, sharing=Sharing.SHARED),)
    files = config_files(agent, values, spec.task_dir, spec.credential_type)
    if provider.name == agent.provider.default:
        files.update(_phantom_files(agent, spec))
    if agent.instructions_file is not None and spec.instructions:
        files[_host_path(agent, agent.instructions_file, spec.task_dir)] = spec.instructions
    if spec.timezone:
        env["TZ"] = _timezone(spec.timezone)
    return ContainerEnvResult(env, volumes, files, spec.task_dir, _patches(agent, values, spec))


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


def _host_path(agent: Agent, path: str, task_dir: Path) -> Path:
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


def _volumes(agent: Agent, task_dir: Path) -> tuple[VolumeSpec, ...]:
    own = VolumeSpec(task_dir / "home", CONTAINER_TASK_DIR, sharing=Sharing.PRIVATE)
    state = (
        VolumeSpec(task_dir / "state" / mount.host_dir, mount.container_path, sharing=Sharing.PRIVATE)
        for mount in agent.mounts
    )
    return (own, *state)


def _timezone(name: str) -> str:
    parts = name.split("/")
    if len(name) > 64 or not all(
        part and part.replace("_", "").replace("-", "").replace("+", "").isalnum() for part in parts
    ):
        raise RequestError(f"not a time zone name: {name[:60]!r}", hint="use a name such as Europe/Berlin")
    return name
