"""Checks of a launch request before anything is built; the sandbox and the agent's command come from its result."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from terok_executor.errors import RequestError
from terok_executor.image.reference import check_family, parse_base
from terok_executor.integrations.sandbox import (
    PLAIN_HINT,
    GateError,
    RepoSource,
    is_branch,
    is_plain,
    resolve_repo,
    scope_for,
)
from terok_executor.launch.env import CONTAINER_TASK_DIR, check_timezone, template_values
from terok_executor.launch.identity import check_authorship
from terok_executor.launch.instructions import instructions_for, read_subagent
from terok_executor.launch.request import REFERENCES_MOUNT, WORKSPACE, AgentRequest, AgentRun, LaunchRequest, Task
from terok_executor.launch.task_files import checked_prompt
from terok_executor.paths import checked_container_name
from terok_executor.roster.egress import allow_lines
from terok_executor.roster.roster import AgentRoster
from terok_executor.roster.run_config import INIT, AgentRunConfig, CLIOverrides, checked_model
from terok_executor.roster.types import Agent, Tool, WebSpec
from terok_executor.transcript.reader import transcript_format

NAME_PREFIX = "terok-executor-"
MAX_TIMEOUT = 7 * 24 * 3600
_OURS = ("/bin", "/dev", "/etc", "/lib", "/opt", "/proc", "/run", "/sbin", "/sys", "/usr", "/var/lib/terok")
"""Places that images and containers need themselves."""
_PUBLIC_URL = re.compile(
    r"(?!https:.*:443/?\Z|http:.*:80/?\Z)https?://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[0-9]{1,5})?/?"
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_OWN_VARIABLE = re.compile(
    r"(?:TEROK|LD|GIT|HUMAN_GIT)_.*|.*_PROXY|BASH_ENV|CLONE_FROM|CODE_REPO|ENV|HOME|IFS|PATH|REPO_ROOT|SSH_AUTH_SOCK"
    r"|TASK_ID|TZ",
    re.IGNORECASE,
)
"""Names of what terok sets itself or its start script relies on, and of what would lead programs around the wall."""


def check_task(request: LaunchRequest) -> Task:
    """Check the options of every launch and name the task; RequestError for the first that is wrong."""
    check_family(request.family, parse_base(request.base_image).text)
    repo, scope = _check_repo(request)
    if not 1 <= request.timeout <= MAX_TIMEOUT:
        raise RequestError(f"invalid time-out {request.timeout}: use 1 to {MAX_TIMEOUT} seconds")
    for branch in (request.branch, request.default_branch):
        _check_branch(branch)
    check_timezone(request.timezone)
    task_id = request.task_id or secrets.token_hex(6)
    return Task(
        id=task_id,
        name=checked_container_name(request.name if request.name is not None else NAME_PREFIX + task_id),
        repo=repo,
        scope=request.project_id or scope,
        work_branch=request.branch or f"terok/{task_id[:8]}",
    )


def check_request(request: AgentRequest, roster: AgentRoster) -> AgentRun:
    """Check the request of an agent's run and resolve the names in it.

    RosterError if agent, provider and tools are unknown or do not go together, RequestError for anything else.
    """
    agent = roster.agent(request.agent)
    provider = roster.bind(agent, request.provider)
    mapped = agent.apply_config({}, CLIOverrides(request.model, request.max_turns, request.timeout))
    template_values(agent, provider, mapped.model)
    if request.prompt is not None:
        transcript_format(agent)
    prompt = checked_prompt(request.prompt) if request.prompt is not None else None
    _check_places(request, agent)
    task = check_task(request)
    _check_kind(request, task.repo)
    _check_references(request, task.scope)
    _check_variables(request.env, agent, roster)
    subagents = tuple(read_subagent(path) for path in request.subagents)
    if len({subagent.name for subagent in subagents}) < len(subagents):
        raise RequestError("two sub-agents have the same name", hint="`name:` in the front matter is what counts")
    frontend = find_frontend(agent, roster) if request.web else None
    return AgentRun(
        request=request,
        task=task,
        agent=agent,
        provider=provider,
        tools=tuple(roster.tool(name) for name in dict.fromkeys(request.tools)),
        beside=tuple(roster.agent(name) for name in dict.fromkeys(request.beside) if name != agent.name),
        frontend=frontend,
        prompt=f"{prompt}\n\n{mapped.prompt_extra}" if prompt and mapped.prompt_extra else prompt,
        model=mapped.model,
        authorship=check_authorship(request.authorship, request.human_name, request.human_email),
        instructions=instructions_for(request.instructions, agent.name),
        subagents=subagents if agent.subagents_dir is not None else (),
        command=_command(agent, frontend, request, mapped),
        continue_command=_again(agent, agent.session.continue_args, request, mapped),
        resume_command=_again(agent, agent.session.resume_args, request, mapped),
        allow=allow_lines(request.allow),
        warnings=(*mapped.warnings, *_warnings(request, agent)),
    )


def find_frontend(agent: Agent, roster: AgentRoster) -> Tool | None:
    """Return the tool that serves a page for the agent: None for itself; RequestError if nothing can."""
    if agent.web is not None:
        return None
    frontends = [tool for tool in roster.tools.values() if tool.kind == "frontend" and tool.web is not None]
    if agent.acp and frontends:
        return frontends[0]
    able = ", ".join(name for name, other in roster.agents.items() if other.web or (other.acp and frontends))
    raise RequestError(f"agent {agent.name} has no web page", hint=f"agents that have: {able or 'none'}")


def _check_repo(request: LaunchRequest) -> tuple[RepoSource | None, str]:
    """Return what is cloned and its scope."""
    if request.project_id and not is_plain(request.project_id):
        raise RequestError(f"invalid project name {request.project_id[:60]!r}", hint=PLAIN_HINT)
    if request.repo is None:
        return None, "workspace"
    repo = _resolved(request.repo)
    if not request.gate and repo.kind != "url":
        hint = "leave --no-gate out: the gate mirrors the rest"
        raise RequestError("without the gate only an https URL can be cloned", hint=hint)
    return repo, scope_for(request.repo)


def _resolved(address: str) -> RepoSource:
    try:
        return resolve_repo(address)
    except GateError as error:
        raise RequestError(error.message, hint=error.hint) from error


def _check_branch(name: str | None) -> None:
    if name is not None and not is_branch(name):
        raise RequestError(f"not a branch name: {name[:80]!r}", hint="use letters, digits and . _ / + @ -")


def _check_kind(request: AgentRequest, repo: RepoSource | None) -> None:
    """Refuse options that do not go together."""
    if request.security_class == "online" and repo is not None and repo.kind == "path":
        hint = "leave --security-class out, or give the repository's https or ssh address"
        raise RequestError("a container cannot see a directory of this host as its upstream", hint=hint)
    if request.public_url and not _PUBLIC_URL.fullmatch(request.public_url):
        hint = "write it as browsers show it, without a path: https://name.example.org"
        raise RequestError(f"invalid address of a proxy: {request.public_url[:80]!r}", hint=hint)
    if request.branch is not None and repo is None:
        raise RequestError("without a repository there is no branch to work on")


def _check_references(request: AgentRequest, scope: str) -> None:
    """Refuse repositories to read that have no proper name, no address, or the name of another one."""
    names = [reference.name for reference in request.references]
    for name, address, branch in request.references:
        if not is_plain(name) or not is_plain(f"{scope}.{name}") or names.count(name) > 1:
            raise RequestError(f"invalid name of a repository to read: {name[:60]!r}", hint=f"{PLAIN_HINT}, each once")
        _check_branch(branch)
        _resolved(address)


def _check_variables(env: Mapping[str, str], agent: Agent, roster: AgentRoster) -> None:
    """Refuse a variable that is terok's own, or that would carry a credential past the vault."""
    # All agents' variables, not only this one's: no key of any provider may come in beside the vault.
    bindings = [known.provider for known in roster.agents.values()]
    vaulted = {name for binding in bindings for name in (*binding.token_env.values(), binding.base_url_env)}
    vaulted |= {name for tool in roster.tools.values() for name in tool.env}
    for name in env:
        if not _VARIABLE.fullmatch(name):
            raise RequestError(f"invalid variable name {name[:60]!r}", hint="use letters, digits and _")
        if name in vaulted:
            raise RequestError(
                f"the variable {name} is for a credential or its provider's address, which come from the vault",
                hint="store the credential with `terok-executor auth`, or choose another with --credential-set",
            )
        if _OWN_VARIABLE.fullmatch(name) or name in agent.env or name in agent.auto_approve.env:
            raise RequestError(f"the variable {name} is set by terok itself", hint="leave it out of --env")


def _check_places(request: AgentRequest, agent: Agent) -> None:
    """Refuse directories of the host that are missing, or make no sense in a sealed container."""
    workspace, shared = request.workspace, request.shared_dir
    if request.repo is None and workspace is None:
        raise RequestError("there is nothing to work on", hint="name a repository, or --workspace DIR")
    if request.sealed and (workspace or shared or request.web):
        hint = "leave out --sealed, or --workspace, --shared-dir and --web"
        raise RequestError("a sealed container shares no directory or socket with the host", hint=hint)
    for directory, label in ((workspace, "workspace"), (shared, "shared directory")):
        if directory is not None and not directory.is_dir():
            raise RequestError(f"the {label} {directory} is not a directory", hint="make it first")
    if workspace is not None and request.repo is not None and not request.kept and any(workspace.iterdir()):
        raise RequestError(
            f"the workspace {workspace} is not empty, and nothing is cloned over what is there",
            hint="leave the repository out to work on what is in the directory",
        )
    if shared is not None:
        _check_shared_mount(request.shared_mount, agent)


def _check_shared_mount(text: str, agent: Agent) -> None:
    """Raise RequestError unless `text` is an absolute container path that nothing else uses."""
    place = PurePosixPath(text)
    taken = [WORKSPACE, CONTAINER_TASK_DIR, REFERENCES_MOUNT, *_OURS, *(mount.container_path for mount in agent.mounts)]
    bad = not re.fullmatch(r"/[A-Za-z0-9_.-][A-Za-z0-9_./-]*", text) or ".." in text
    if bad or any(place.is_relative_to(other) or PurePosixPath(other).is_relative_to(place) for other in taken):
        raise RequestError(f"not a place for the shared directory: {text[:80]!r}", hint="use /shared")


def _command(agent: Agent, frontend: Tool | None, request: AgentRequest, mapped: AgentRunConfig) -> tuple[str, ...]:
    if request.web:
        web = frontend.web if frontend is not None else agent.web
        assert web is not None
        return web_command(web, agent, request.public_url)
    if request.prompt is None:  # a person works in it; it waits to be stopped
        return (INIT, "sleep", "infinity")
    return agent.build_headless_command(
        timeout=mapped.timeout,
        model=mapped.model,
        max_turns=mapped.max_turns,
        unrestricted=request.unrestricted,
    )


def _again(agent: Agent, args: tuple[str, ...], request: AgentRequest, mapped: AgentRunConfig) -> tuple[str, ...]:
    """Return the words after the start script that continue a conversation with `args`; none without them."""
    if request.prompt is None or not args:
        return ()
    again = replace(agent, headless=replace(agent.headless, args=args))
    return _command(again, None, request, mapped)[1:]


def _warnings(request: AgentRequest, agent: Agent) -> list[str]:
    warnings = []
    if request.subagents and agent.subagents_dir is None:
        warnings.append(f"agent {agent.name} knows no files of sub-agents; they are not used")
    if parse_base(request.base_image).gpu and request.gpus is None:
        warnings.append("the base image is made for GPUs, and the container gets none; --gpus all gives it some")
    return warnings


def web_command(web: WebSpec, agent: Agent, public_url: str) -> tuple[str, ...]:
    """Return the container's command that serves a web page on a socket in the task directory."""
    values = {"port": str(web.port), "public_url": public_url, "agent": agent.name}
    words = (re.sub(r"\{(port|public_url|agent)\}", lambda match: values[match[1]], word) for word in web.command)
    return (INIT, "/usr/local/bin/terok-web", "/home/dev/.terok/web.sock", str(web.port), *words)


def terminal_command(agent: Agent, *, model: str | None = None, unrestricted: bool = True) -> tuple[str, ...]:
    """Return the agent's own command line for a terminal."""
    arguments = [agent.binary]
    if unrestricted:
        arguments += agent.auto_approve.flags
    if model is not None and agent.headless.model_flag is not None:
        arguments += [agent.headless.model_flag, checked_model(model)]
    return tuple(arguments)
