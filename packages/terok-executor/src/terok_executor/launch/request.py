"""A headless run as it was asked for, checked before anything is started."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from terok_executor.errors import RequestError
from terok_executor.image.reference import DEFAULT_BASE_IMAGE, parse_base
from terok_executor.integrations.sandbox import GateError, resolve_repo, scope_for
from terok_executor.launch.command import headless_command, interactive_command
from terok_executor.launch.env import SHARED_MOUNT, template_values
from terok_executor.launch.identity import Authorship, check_authorship
from terok_executor.launch.instructions import Instructions, resolve_instructions
from terok_executor.launch.policy import allow_lines
from terok_executor.launch.task_files import checked_prompt
from terok_executor.paths import checked_container_name

if TYPE_CHECKING:
    from terok_executor.integrations.sandbox import RepoSource
    from terok_executor.roster.roster import AgentRoster
    from terok_executor.roster.types import Agent, Provider

NAME_PREFIX = "terok-executor-"
DEFAULT_TIMEOUT = 1800
MAX_TIMEOUT = 7 * 24 * 3600
_BRANCH = re.compile(r"(?!.*(?:\.\.|//|@\{|\.lock(?:/|$)|/\.|\.$|/$))[A-Za-z0-9_][A-Za-z0-9_./+@-]{0,199}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadlessRequest:
    """What to run on what; ``timeout`` is in seconds, ``memory`` in Podman's notation, ``cpus`` a number of cores.

    ``budget`` holds limits as `run_budget` reads them; with ``ssh_scope`` the container may sign with the SSH keys of
    that scope. Without a prompt (None) the container waits for a person to log in; ``timeout`` and ``max_turns`` mean
    nothing then.
    """

    agent: str
    repo: str
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
    budget: tuple[str, ...] = ()
    ssh_scope: str | None = None
    base_image: str = DEFAULT_BASE_IMAGE
    task_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRequest:
    """A request that makes sense: names resolved, defaults filled in."""

    request: HeadlessRequest
    agent: Agent
    provider: Provider
    repo: RepoSource
    scope: str
    prompt: str | None
    authorship: Authorship
    instructions: str
    task_id: str
    name: str
    work_branch: str
    command: tuple[str, ...]
    project_allow: tuple[str, ...]


def check_request(request: HeadlessRequest, roster: AgentRoster) -> CheckedRequest:
    """Judge a request without touching the host.

    Raises RosterError for an unknown agent or provider, RequestError for everything else that is wrong.
    """
    agent = roster.agent(request.agent)
    provider = roster.bind(agent, request.provider)
    template_values(agent, provider, request.model)
    prompt = checked_prompt(request.prompt) if request.prompt is not None else None
    _check_shared(request)
    parse_base(request.base_image)
    try:
        repo = resolve_repo(request.repo)
        scope = scope_for(request.repo)
    except GateError as error:
        raise RequestError(error.message, hint=error.hint) from error
    if request.timeout > MAX_TIMEOUT:
        raise RequestError(f"the time-out is longer than {MAX_TIMEOUT} seconds")
    if request.branch is not None and not _BRANCH.fullmatch(request.branch):
        raise RequestError(f"not a branch name: {request.branch[:80]!r}", hint="use letters, digits and . _ / + @ -")
    task_id = request.task_id or secrets.token_hex(6)
    return CheckedRequest(
        request=request,
        agent=agent,
        provider=provider,
        repo=repo,
        scope=scope,
        prompt=prompt,
        authorship=check_authorship(request.authorship, request.human_name, request.human_email),
        instructions=resolve_instructions(request.instructions, agent.name),
        task_id=task_id,
        name=checked_container_name(request.name if request.name is not None else NAME_PREFIX + task_id),
        work_branch=request.branch or f"terok/{task_id[:8]}",
        command=_command(agent, request),
        project_allow=allow_lines(request.allow),
    )


def _command(agent: Agent, request: HeadlessRequest) -> tuple[str, ...]:
    if request.prompt is None:
        return interactive_command()
    return headless_command(
        agent,
        timeout=request.timeout,
        model=request.model,
        max_turns=request.max_turns,
        unrestricted=request.unrestricted,
    )


def _check_shared(request: HeadlessRequest) -> None:
    if request.shared_dir is None:
        return
    if not request.shared_dir.is_absolute() or not request.shared_dir.is_dir():
        raise RequestError(f"the shared directory {request.shared_dir} is no directory")
    if not re.fullmatch(r"/[A-Za-z0-9_.-][A-Za-z0-9_./-]*", request.shared_mount) or ".." in request.shared_mount:
        raise RequestError(f"not a place for the shared directory: {request.shared_mount[:80]!r}", hint="use /shared")
