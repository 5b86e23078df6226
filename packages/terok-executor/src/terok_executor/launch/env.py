"""The environment, mounts and files of one agent's container, decided from values alone."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from terok_util.values import lean_dataclass

from terok_executor.auth.credential_files import phantom_text
from terok_executor.credentials import Phantom
from terok_executor.errors import RequestError
from terok_executor.image.context import CONTAINER_PROTOCOL
from terok_executor.integrations.sandbox import (
    CONTAINER_VAULT_SOCKET,
    LOOPBACK_VAULT_PORT,
    Sharing,
    VolumeSpec,
    is_time_zone,
)
from terok_executor.launch.identity import Authorship
from terok_executor.launch.request import REFERENCES_MOUNT, WORKSPACE, AgentRun
from terok_executor.launch.task_files import ConfigPatch, filled_tree
from terok_executor.roster.provider import Provider
from terok_executor.roster.roster import AgentRoster
from terok_executor.roster.template import MODEL_PATTERN, fill, needs
from terok_executor.roster.types import Agent, Installed, Tool

CONTAINER_TASK_DIR = "/home/dev/.terok"
SEED_MOUNT = "/var/lib/terok/seed.git"


@lean_dataclass(frozen=True, slots=True)
class VaultLocation:
    """Addresses of the vault in a container: the values of `{vault_url}` and `{vault_socket}` in a tool's templates."""

    vault_url: str = f"http://127.0.0.1:{LOOPBACK_VAULT_PORT}"
    vault_socket: str = CONTAINER_VAULT_SOCKET


VAULT_URL = VaultLocation().vault_url


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class ContainerEnvSpec:
    """A run, and the tokens and places made for its container.

    `phantom` stands for the provider's credential, `tool_tokens` for those of the tools, by name. `gate_url` holds this
    container's gate token (None: no gate); `upstream` is the origin in an `online` project and without a gate. `seed`
    is a copy of the repository on this host for making the workspace, `start` the commit at which a new branch begins.
    `references` are copies of the repositories to read, by name. `workspace` replaces the request's; `timezone` is the
    host's, for a request without one.
    """

    run: AgentRun
    task_dir: Path
    phantom: Phantom
    tool_tokens: Mapping[str, str] = field(default_factory=dict)
    gate_url: str | None = None
    upstream: str | None = None
    seed: Path | None = None
    references: Mapping[str, Path] = field(default_factory=dict)
    start: str | None = None
    workspace: Path | None = None
    timezone: str | None = None


@lean_dataclass(frozen=True, slots=True)
class ContainerEnvResult:
    """Environment variables, mounts, files and changes of files by their path on the host, and the task directory."""

    env: Mapping[str, str]
    volumes: tuple[VolumeSpec, ...]
    files: Mapping[Path, str]
    task_dir: Path
    patches: tuple[ConfigPatch, ...] = ()


def assemble_container_env(spec: ContainerEnvSpec, roster: AgentRoster) -> ContainerEnvResult:
    """Return the environment of an agent's container: one agent's variables, one provider's token, nothing else.

    Raises RequestError for a credential that the agent cannot use.
    """
    run, request, phantom = spec.run, spec.run.request, spec.phantom
    agent, provider = run.agent, run.provider
    values = phantom_values(agent, provider, run.model, phantom)
    env = {
        **request.env,  # first, so that terok's own variables win whatever the checks miss
        "TASK_ID": run.task.id,
        "TEROK_CONTAINER_PROTOCOL": CONTAINER_PROTOCOL,
        "REPO_ROOT": WORKSPACE,
        **_repository(spec),
        **agent_variables(agent, values, phantom, run.authorship, unrestricted=request.unrestricted),
    }
    if request.unrestricted:
        env["TEROK_UNRESTRICTED"] = "1"
    if request.shared_dir is not None:
        env["TEROK_SHARED_DIR"] = request.shared_mount
    if spec.seed is not None:
        env["TEROK_SEED"] = SEED_MOUNT
    if zone := request.timezone or check_timezone(spec.timezone, known=False):
        env["TZ"] = zone
    files = _agent_files(spec, values)
    if run.tools:
        env["TEROK_TOOLS"] = ",".join(sorted(tool.name for tool in run.tools))
    for tool in run.tools:
        tool_env, tool_files = tool_parts(tool, roster, spec.tool_tokens.get(tool.name, ""), spec.task_dir)
        env |= tool_env
        files |= tool_files
    patches = agent_patches(agent, values, phantom.credential_type, spec.task_dir)
    return ContainerEnvResult(env, _volumes(spec), files, spec.task_dir, tuple(patches.values()))


def phantom_values(agent: Agent, provider: Provider, model: str | None, phantom: Phantom) -> dict[str, str]:
    """Return the values of the placeholders in the agent's templates with this phantom token.

    Raises RequestError for a credential that the agent cannot use, and as `template_values` does.
    """
    _check_usable(agent, provider, phantom.credential_type)
    return {
        **_account_values(agent, phantom.known),
        **template_values(agent, provider, model, phantom.credential_type),
        "token_end": phantom.token[-20:],
    }


def agent_variables(
    agent: Agent, values: Mapping[str, str], phantom: Phantom, authorship: Authorship, *, unrestricted: bool
) -> dict[str, str]:
    """Return the variables that one agent is given beside those of its task."""
    env = {
        "TEROK_AGENT": agent.name,
        "TEROK_PROVIDER": values["provider"],
        "TEROK_PROTOCOL": values["protocol"],
        "TEROK_BASE_URL": values["vault_url"],
        "TEROK_TOKEN_ENV": values["token_env"],
        **authorship.environment(agent.git_identity),
        **_filled(agent.env, values),
        values["token_env"]: phantom.token,
    }
    if agent.provider.base_url_env:
        env[agent.provider.base_url_env] = values["vault_url"]
    return {**env, **(agent.auto_approve.env if unrestricted else {})}


def _volumes(spec: ContainerEnvSpec) -> tuple[VolumeSpec, ...]:
    request = spec.run.request
    volumes = task_volumes(spec.task_dir, *spec.run.installed)
    if spec.seed is not None:
        volumes += (VolumeSpec(spec.seed, SEED_MOUNT, sharing=Sharing.SHARED, read_only=True),)
    volumes += tuple(
        VolumeSpec(copy, f"{REFERENCES_MOUNT}/{name}.git", sharing=Sharing.SHARED, read_only=True)
        for name, copy in spec.references.items()
    )
    if (workspace := spec.workspace or request.workspace) is not None:
        volumes += (VolumeSpec(workspace, WORKSPACE, sharing=Sharing.PRIVATE),)
    if request.shared_dir is not None:
        volumes += (VolumeSpec(request.shared_dir, request.shared_mount, sharing=Sharing.SHARED),)
    return volumes


def _agent_files(spec: ContainerEnvSpec, values: Mapping[str, str]) -> dict[Path, str]:
    """Return the agent's configuration, instructions and sub-agents by their path on the host."""
    run, agent = spec.run, spec.run.agent
    inside = agent_files(agent, run.provider, values, spec.phantom)
    if agent.instructions_file is not None and run.instructions:
        inside[agent.instructions_file] = run.instructions
    inside |= {f"{agent.subagents_dir}/{subagent.name}.md": subagent.text for subagent in run.subagents}
    return {_host_path(agent, path, spec.task_dir): text for path, text in inside.items()}


def agent_files(agent: Agent, provider: Provider, values: Mapping[str, str], phantom: Phantom) -> dict[str, str]:
    """Return an agent's configuration files for this credential, and those it would have after signing in itself."""
    chosen = [file for file in agent.config_files if file.credential in (None, phantom.credential_type)]
    texts = [(file.path, fill(file.content, values)) for file in chosen if file.content is not None]
    if provider.name == agent.provider.default:
        texts += [
            (file.path, phantom_text(file, phantom.token, phantom.known))
            for file in agent.credential_files
            if file.type == phantom.credential_type
        ]
    return {path: text for path, text in texts if text is not None}


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
    env = {"CODE_REPO": origin, "TEROK_WORK_BRANCH": spec.run.task.work_branch}
    if spec.gate_url is None:
        env["TEROK_DELIVER"] = "check"
    elif spec.upstream:
        env["CLONE_FROM"] = spec.gate_url
    given = {"GIT_BRANCH": spec.run.request.branch, "TEROK_START": spec.start}
    return env | {name: value for name, value in given.items() if value}


def template_values(
    agent: Agent, provider: Provider, model: str | None, credential_type: str = "api_key"
) -> dict[str, str]:
    """Return the values of the placeholders in the agent's templates with this provider.

    Raises RequestError if a template needs a model and neither the request nor the provider names one.
    """
    protocol = agent.protocol_for(provider) or ""
    chosen = model or provider.default_model or ""
    if not chosen and any(needs(text, "model") for text in agent.templates):
        hint = "name one with --model MODEL"
        raise RequestError(f"agent {agent.name} needs a model of provider {provider.name}", hint=hint)
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


def agent_patches(
    agent: Agent, values: Mapping[str, str], credential_type: str, task_dir: Path
) -> dict[str, ConfigPatch]:
    """Return the changes of an agent's configuration files by their path in the container."""
    return {
        file.path: ConfigPatch(_host_path(agent, file.path, task_dir), filled_tree(file.patch, values), file.source)
        for file in agent.config_files
        if file.patch is not None and file.credential in (None, credential_type)
    }


def _check_usable(agent: Agent, provider: Provider, credential_type: str) -> None:
    """Refuse a sign-in for another vendor's agent: only the vendor's own program can use it."""
    if credential_type == "oauth" and "oauth" not in {file.type for file in agent.credential_files}:
        raise RequestError(
            f"the credential of {provider.label} is a sign-in, which agent {agent.name} cannot use",
            hint=f"store a key: `terok-executor auth {provider.name} --method api-key --credential-set keys`,"
            " and run with --credential-set keys",
        )


def _account_values(agent: Agent, credential: Mapping[str, Any]) -> dict[str, str]:
    """Return the account's values for templates; a vendor's text that could end a quoted string is left out."""
    texts = {name: str(credential.get(name, "")) for file in agent.credential_files for name in file.optional}
    return {name: text if re.fullmatch(MODEL_PATTERN, text) else "" for name, text in texts.items()}


def _host_path(agent: Installed, path: str, task_dir: Path) -> Path:
    roots = {mount.container_path.rstrip("/") + "/": mount for mount in agent.mounts}
    root = next(item for item in roots if path.startswith(item))
    return task_dir / "state" / roots[root].host_dir / path.removeprefix(root)


def _filled(templates: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    filled = ((name, fill(text, values)) for name, text in templates.items())
    return {name: text for name, text in filled if text is not None}


def task_volumes(task_dir: Path, *owners: Installed) -> tuple[VolumeSpec, ...]:
    """Return the mounts of a task: its own directory, and the state of its agent and tools."""
    places = {CONTAINER_TASK_DIR: task_dir / "home"}
    places |= {mount.container_path: task_dir / "state" / mount.host_dir for owner in owners for mount in owner.mounts}
    return tuple(VolumeSpec(source, target, sharing=Sharing.PRIVATE) for target, source in places.items())


def check_timezone(name: str | None, *, known: bool = True) -> str | None:
    """Return the name of a time zone; RequestError if it is not one or, if it has to be `known`, this host lacks it.

    The zone that the host itself is set to need not be known.
    """
    if name and (not is_time_zone(name) or (known and not _known(name))):
        raise RequestError(f"not a time zone name: {name[:60]!r}", hint="use a name such as Europe/Berlin")
    return name


def _known(name: str) -> bool:
    from zoneinfo import TZPATH, ZoneInfo  # only a run that names a zone needs it

    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # KeyError is ZoneInfoNotFoundError
        return not any(Path(place, "Europe").is_dir() for place in TZPATH)  # a host without zones knows none
    return True


def host_timezone(
    environ: Mapping[str, str] | None = None,
    *,
    named: Path = Path("/etc/timezone"),
    linked: Path = Path("/etc/localtime"),
) -> str | None:
    """Return the IANA name from `TZ`, `/etc/timezone` or the `/etc/localtime` link; None if none has it."""
    candidates = [(os.environ if environ is None else environ).get("TZ", "").removeprefix(":")]
    with suppress(OSError, UnicodeDecodeError):
        candidates.append(named.read_text("ascii").strip())
    with suppress(OSError):
        candidates.append(str(linked.readlink()).partition("zoneinfo/")[2])
    return next((text for text in candidates if is_time_zone(text)), None)
