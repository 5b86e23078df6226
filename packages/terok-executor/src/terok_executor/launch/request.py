"""A headless run as it was asked for, checked before anything is started."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from terok_executor.errors import RequestError
from terok_executor.image.reference import DEFAULT_BASE_IMAGE, check_family, parse_base
from terok_executor.integrations.sandbox import GateError, resolve_repo, scope_for
from terok_executor.launch.command import interactive_command, web_command
from terok_executor.launch.env import CONTAINER_TASK_DIR, SHARED_MOUNT, WORKSPACE, template_values
from terok_executor.launch.identity import Authorship, check_authorship
from terok_executor.launch.instructions import Instructions, resolve_instructions
from terok_executor.launch.policy import allow_lines
from terok_executor.launch.subagents import SubAgent, parse_md_agent
from terok_executor.launch.task_files import checked_prompt
from terok_executor.launch.timezone import check_timezone
from terok_executor.paths import checked_container_name
from terok_executor.roster.run_config import DEFAULT_TIMEOUT, CLIOverrides

if TYPE_CHECKING:
    from terok_executor.integrations.sandbox import RepoSource, SecurityClass
    from terok_executor.roster.roster import AgentRoster
    from terok_executor.roster.run_config import AgentRunConfig
    from terok_executor.roster.types import Agent, Provider, Tool

NAME_PREFIX = "terok-executor-"
MAX_TIMEOUT = 7 * 24 * 3600
_PROJECT = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}")
_OURS = ("/bin", "/dev", "/etc", "/lib", "/opt", "/proc", "/run", "/sbin", "/sys", "/usr", "/var/lib/terok")
"""Where images and containers have what they need."""
_PUBLIC_URL = re.compile(
    r"(?!https:.*:443/?\Z|http:.*:80/?\Z)https?://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[0-9]{1,5})?/?"
)
_BRANCH = re.compile(
    r"(?!HEAD\Z|refs/)(?!.*(?:\.\.|//|@\{|\.lock(?:/|$)|/\.|\.$|/$))[A-Za-z0-9_][A-Za-z0-9_./+@-]{0,199}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadlessRequest:
    """What to run on what; `timeout` is in seconds, `memory` in Podman's notation, `cpus` a number of cores.

    `budget` holds limits as `run_budget` reads them; with `ssh_scope` the container may sign with the SSH keys of
    that scope.

    Without a prompt (None) the container waits for a person to log in, or with `web` serves a page; `timeout` and
    `max_turns` mean nothing then. Without `gate` the container clones the upstream itself, and its commits stay in
    it. `workspace` is a directory of the host to work in; `repo` may be None then. `sealed` copies files in
    instead of mounting them. `security_class` says whether the container sees the upstream beside the gate (None: as
    config.yml has it). `gpus` is `all`, or what `RunSpec.gpus` takes.
    """

    agent: str
    repo: str | None
    prompt: str | None
    branch: str | None = None
    model: str | None = None
    max_turns: int | None = None
    timeout: int = DEFAULT_TIMEOUT
    name: str | None = None
    unrestricted: bool = True
    memory: str | None = None
    cpus: float | None = None
    timezone: str | None = None
    authorship: str | None = None
    human_name: str | None = None
    human_email: str | None = None
    instructions: Instructions = None
    shared_dir: Path | None = None
    shared_mount: str = SHARED_MOUNT
    provider: str | None = None
    credential_set: str = "default"
    allow: tuple[str, ...] = ()
    profiles: tuple[str, ...] | None = None
    """Allowlist profiles; None for the configured ones, or none beside a policy file."""
    policy: Path | None = None
    budget: tuple[str, ...] = ()
    ssh_scope: str | None = None
    base_image: str = DEFAULT_BASE_IMAGE
    family: str | None = None
    task_id: str = ""
    gate: bool = True
    workspace: Path | None = None
    sealed: bool = False
    gpus: str | None = None
    subagents: tuple[Path, ...] = ()
    tools: tuple[str, ...] = ()
    web: bool = False
    public_url: str = ""
    ephemeral: bool = False
    project_id: str = ""
    dossier_path: Path | None = None
    security_class: SecurityClass | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRequest:
    """A request that makes sense: names resolved, defaults filled in."""

    request: HeadlessRequest
    agent: Agent
    provider: Provider
    repo: RepoSource | None
    """None if nothing is cloned."""
    scope: str
    prompt: str | None
    authorship: Authorship
    instructions: str
    subagents: tuple[SubAgent, ...]
    tools: tuple[Tool, ...]
    frontend: Tool | None
    """What serves the web page if the agent itself cannot."""
    task_id: str
    name: str
    work_branch: str
    model: str | None
    timeout: int
    command: tuple[str, ...]
    continue_command: tuple[str, ...]
    """The command that takes up the conversation; empty if the agent cannot."""
    project_allow: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def gate(self) -> bool:
        """Whether the repository comes from the gate, and commits go there."""
        return self.repo is not None and self.request.gate


def check_request(request: HeadlessRequest, roster: AgentRoster) -> CheckedRequest:
    """Judge a request without touching the host.

    Raises RosterError for an unknown agent or provider, RequestError for everything else that is wrong.
    """
    agent = roster.agent(request.agent)
    provider = roster.bind(agent, request.provider)
    overrides = CLIOverrides(request.model, request.max_turns, request.timeout)
    mapped = agent.apply_config({}, overrides)
    template_values(agent, provider, mapped.model)
    prompt = checked_prompt(request.prompt) if request.prompt is not None else None
    check_places(request)
    base = parse_base(request.base_image)
    check_family(request.family, base.text)
    repo, scope = check_repo(request)
    if request.timeout > MAX_TIMEOUT:
        raise RequestError(f"the time-out is longer than {MAX_TIMEOUT} seconds")
    check_branch(request.branch)
    check_timezone(request.timezone)
    if request.public_url and not _PUBLIC_URL.fullmatch(request.public_url):
        raise RequestError(
            f"not the address of a proxy: {request.public_url[:80]!r}",
            hint="write it as browsers show it, without a path: https://name.example.org",
        )
    if request.branch is not None and repo is None:
        raise RequestError("without a repository there is no branch to work on")
    if request.shared_dir is not None:
        _check_shared_mount(request.shared_mount, agent)
    task_id = request.task_id or secrets.token_hex(6)
    warnings = list(mapped.warnings)
    subagents = tuple(parse_md_agent(path) for path in request.subagents)
    if len({one.name for one in subagents}) < len(subagents):
        raise RequestError("two sub-agents have the same name", hint="`name:` in the front matter is what counts")
    if subagents and agent.subagents_dir is None:
        warnings.append(f"agent {agent.name} knows no files of sub-agents; they are not used")
        subagents = ()
    if base.gpu and request.gpus is None:
        warnings.append("the base image is made for GPUs, and the container gets none; --gpus all gives it some")
    frontend = frontend_for(agent, roster) if request.web else None
    return CheckedRequest(
        request=request,
        agent=agent,
        provider=provider,
        repo=repo,
        scope=request.project_id or scope,
        prompt=f"{prompt}\n\n{mapped.prompt_extra}" if prompt and mapped.prompt_extra else prompt,
        authorship=check_authorship(request.authorship, request.human_name, request.human_email),
        instructions=resolve_instructions(request.instructions, agent.name),
        subagents=subagents,
        tools=tuple(roster.tool(name) for name in dict.fromkeys(request.tools)),
        frontend=frontend,
        task_id=task_id,
        name=checked_container_name(request.name if request.name is not None else NAME_PREFIX + task_id),
        work_branch=request.branch or f"terok/{task_id[:8]}",
        model=mapped.model,
        timeout=mapped.timeout,
        command=_command(agent, frontend, request, mapped),
        continue_command=_continue_command(agent, request, mapped),
        project_allow=allow_lines(request.allow),
        warnings=tuple(warnings),
    )


def check_repo(request: HeadlessRequest) -> tuple[RepoSource | None, str]:
    """Return what is cloned and its scope; RequestError if the repository cannot be used in the way asked for."""
    if request.project_id and not _PROJECT.fullmatch(request.project_id):
        raise RequestError(f"not a project name: {request.project_id[:60]!r}", hint="use letters, digits and . _ -")
    if request.repo is None:
        if request.workspace is None:
            raise RequestError("there is nothing to work on", hint="name a repository, or --workspace DIR")
        return None, "workspace"
    try:
        repo, scope = resolve_repo(request.repo), scope_for(request.repo)
    except GateError as error:
        raise RequestError(error.message, hint=error.hint) from error
    if request.security_class == "online" and repo.kind == "path":
        raise RequestError(
            "a container cannot see a directory of this host as its upstream",
            hint="leave --security-class out, or give the repository's https or ssh address",
        )
    if not request.gate and repo.kind != "url":
        raise RequestError(
            "without the gate only an https URL can be cloned", hint="leave --no-gate out: the gate mirrors the rest"
        )
    return repo, scope


def check_branch(branch: str | None) -> None:
    """Raise RequestError if a branch is named that git would not take."""
    if branch is not None and not _BRANCH.fullmatch(branch):
        raise RequestError(f"not a branch name: {branch[:80]!r}", hint="use letters, digits and . _ / + @ -")


def frontend_for(agent: Agent, roster: AgentRoster) -> Tool | None:
    """Return what serves a page for the agent: None for itself; RequestError if nothing can."""
    if agent.web is not None:
        return None
    frontends = [tool for tool in roster.tools.values() if tool.kind == "frontend" and tool.web is not None]
    if agent.acp and frontends:
        return frontends[0]
    served = ", ".join(name for name, one in roster.agents.items() if one.web or (one.acp and frontends))
    raise RequestError(f"agent {agent.name} has no web page", hint=f"agents that have: {served or 'none'}")


def _command(agent: Agent, frontend: Tool | None, request: HeadlessRequest, mapped: AgentRunConfig) -> tuple[str, ...]:
    if request.web:
        web = frontend.web if frontend is not None else agent.web
        assert web is not None
        return web_command(web, agent, request.public_url)
    if request.prompt is None:
        return interactive_command()
    return agent.build_headless_command(
        timeout=mapped.timeout,
        model=mapped.model,
        max_turns=mapped.max_turns,
        unrestricted=request.unrestricted,
    )


def _continue_command(agent: Agent, request: HeadlessRequest, mapped: AgentRunConfig) -> tuple[str, ...]:
    """Return the words that stand behind the start script when the conversation is taken up."""
    if request.prompt is None or not agent.session.continue_args:
        return ()
    again = replace(agent, headless=replace(agent.headless, args=agent.session.continue_args))
    return _command(again, None, request, mapped)[1:]


def check_places(request: HeadlessRequest) -> None:
    """Raise RequestError for directories of the host that are missing, or make no sense in a sealed container."""
    if request.sealed and (request.workspace or request.shared_dir or request.web):
        raise RequestError(
            "a sealed container shares no directory or socket with the host",
            hint="leave out --sealed, or --workspace, --shared-dir and --web",
        )
    if request.workspace is not None and not (request.workspace.is_absolute() and request.workspace.is_dir()):
        raise RequestError(f"the workspace {request.workspace} is no directory", hint="make it first")
    if request.workspace is not None and request.repo is not None and any(request.workspace.iterdir()):
        raise RequestError(
            f"the workspace {request.workspace} is not empty, and nothing is cloned over what is there",
            hint="leave the repository out to work on what is in the directory",
        )
    if request.shared_dir is None:
        return
    if not request.shared_dir.is_absolute() or not request.shared_dir.is_dir():
        raise RequestError(f"the shared directory {request.shared_dir} is no directory")


def _check_shared_mount(text: str, agent: Agent) -> None:
    """Raise RequestError for a place that is none, or where something else of the container is or is mounted."""
    place = PurePosixPath(text)
    taken = [WORKSPACE, CONTAINER_TASK_DIR, *_OURS, *(mount.container_path for mount in agent.mounts)]
    bad = not re.fullmatch(r"/[A-Za-z0-9_.-][A-Za-z0-9_./-]*", text) or ".." in text
    if bad or any(place.is_relative_to(other) or PurePosixPath(other).is_relative_to(place) for other in taken):
        raise RequestError(f"not a place for the shared directory: {text[:80]!r}", hint="use /shared")
