"""The launch request: one frozen value, filled by the command line and the library, projected onto a `RunSpec`.

An option is one field here, under one name everywhere: `cli/tree.py` says how a command line writes it, `RunOptions`
what a program may give. A field converts both, so a path may be text and a list may be any iterable.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, fields
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from terok_util.values import lean_dataclass

from terok_executor.credentials import DEFAULT_SET
from terok_executor.errors import RequestError
from terok_executor.image.reference import DEFAULT_BASE_IMAGE
from terok_executor.integrations.sandbox import RepoSource, RunSpec, SecurityClass
from terok_executor.launch.identity import Authorship
from terok_executor.launch.instructions import Instructions, SubAgent
from terok_executor.paths import task_dir
from terok_executor.roster.provider import Provider
from terok_executor.roster.run_config import DEFAULT_TIMEOUT
from terok_executor.roster.types import Agent, Installed, Tool

WORKSPACE = "/workspace"
SHARED_MOUNT = "/shared"
REFERENCES_MOUNT = "/repos"
TOOL_TIMEOUT = 600
NOT_BUILT = "localhost/not-built"
"""Stands for the image in a launch that is judged before its image is built."""


class Reference(NamedTuple):
    """A repository that a container may read at `/repos/NAME.git`; `branch` of None is the upstream's own."""

    name: str
    address: str
    branch: str | None = None


def _references(values: Iterable[str | Sequence[Any]] | None) -> tuple[Reference, ...]:
    """Return repositories to read, given as `NAME=REPOSITORY` or as the fields of a Reference."""
    return tuple(
        Reference(*value.partition("=")[::2]) if isinstance(value, str) else Reference(*value) for value in values or ()
    )


def _variables(values: Mapping[str, str] | Iterable[str] | None) -> dict[str, str]:
    """Return variables by name; of settings `NAME=VALUE`, a `NAME` alone has the value it has in this process."""
    if isinstance(values, Mapping):
        return dict(values)
    variables = {}
    for setting in values or ():
        name, equals, value = setting.partition("=")
        if not equals and name not in os.environ:
            raise RequestError(f"the variable {name[:60]!r} is not set here", hint="write NAME=VALUE, or set it first")
        variables[name] = value if equals else os.environ[name]
    return variables


def parse_cpus(value: str | float | None) -> float | None:
    """Return a number of CPUs, which a caller may give as text; RequestError for anything else."""
    try:
        return None if value is None else float(value)
    except ValueError:
        raise RequestError(f"invalid number of CPUs {value!r}", hint="use a positive number such as 1.5") from None


_PASSED = {"passed": True}
"""Metadata of a field that the sandbox's `RunSpec` takes as it is, under the same name."""
_PATH: dict[str, Any] = {"convert": lambda value: None if value is None else Path(value).absolute()}
_PATHS: dict[str, Any] = {"convert": lambda values: tuple(Path(value).absolute() for value in values or ())}
_WORDS: dict[str, Any] = {"convert": lambda values: tuple(values or ())}
_OPTIONAL_WORDS: dict[str, Any] = {"convert": lambda values: None if values is None else tuple(values)}


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRequest:
    """Options that an agent's run and a sidecar tool's run have in common.

    `repo` is a directory or an address to clone; without `gate` the container clones the upstream itself, and its
    commits stay in it. New work starts from `default_branch` (None: the upstream's own) or, where several are to begin
    alike, from the commit `start` that the mirror has. `timeout` is in seconds.
    `project_id` and `task_id` say whose container it is, and `dossier_path` names a JSON file with texts about it. An
    `ephemeral` container is removed when it ends.
    """

    repo: str | None
    branch: str | None = None
    default_branch: str | None = None
    start: str | None = None
    gate: bool = True
    name: str | None = None
    timeout: int = DEFAULT_TIMEOUT
    timezone: str | None = None
    credential_set: str = DEFAULT_SET
    base_image: str = DEFAULT_BASE_IMAGE
    family: str | None = None
    project_id: str = ""
    task_id: str = ""
    dossier_path: Path | None = field(default=None, metadata=_PATH)
    ephemeral: bool = field(default=False, metadata=_PASSED)

    def __post_init__(self) -> None:
        # Here and not in the callers, so that the command line, keywords and `replace` give the same value.
        for option in fields(self):
            if (convert := option.metadata.get("convert")) is not None:
                object.__setattr__(self, option.name, convert(getattr(self, option.name)))

    def spec(self, name: str, command: Sequence[str], **more: Any) -> RunSpec:
        """Return the launch as far as the request determines it, with `more` of its fields."""
        passed = {item.name: getattr(self, item.name) for item in fields(self) if item.metadata.get("passed")}
        return RunSpec(
            container_name=name,
            image=NOT_BUILT,
            command=tuple(command),
            task_dir=task_dir(name),
            annotations={"dossier.meta_path": str(self.dossier_path)} if self.dossier_path else {},
            **passed,
            **more,
        )


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class AgentRequest(LaunchRequest):
    """One agent's run.

    Without a `prompt` the container waits for a person to log in or, with `web`, serves a page at `public_url`;
    `timeout` and `max_turns` mean nothing then. `provider` is the model provider (None: the agent's own). `workspace`
    is a directory of the host to work in; `repo` may be None then. With `kept` it is that of an earlier container of
    this name, which is gone: nothing is cloned, and the conversation goes on if what the agent keeps is still there.
    `sealed` copies files in instead of mounting them.
    `security_class` says whether the container sees the upstream beside the gate (None: as config.yml has it).

    `memory`, `cpus`, `gpus`, `runtime` and `opt_outs` are those of `RunSpec`. `allow` holds destinations (`HOST:PORT`)
    to open, `profiles` allowlists (None: the configured ones, or none beside a `policy` file), `budget` limits as
    `run_budget` reads them. With `ssh_scope` the container may sign with the SSH keys of that scope. `tools` are
    programs with a token of their own, `beside` agents that may be added while it runs (see `further_agent`),
    `subagents` Markdown files, `references` more repositories, only to read. `env` holds variables for the container
    besides terok's own.
    """

    agent: str
    prompt: str | None
    model: str | None = None
    max_turns: int | None = None
    provider: str | None = None
    workspace: Path | None = field(default=None, metadata=_PATH)
    kept: bool = False
    sealed: bool = field(default=False, metadata=_PASSED)
    unrestricted: bool = field(default=True, metadata=_PASSED)
    memory: str | None = field(default=None, metadata=_PASSED)
    cpus: float | None = field(default=None, metadata={"convert": parse_cpus, **_PASSED})
    gpus: str | None = field(default=None, metadata=_PASSED)
    runtime: str | None = field(default=None, metadata=_PASSED)
    opt_outs: tuple[str, ...] = field(default=(), metadata={**_WORDS, **_PASSED})
    env: Mapping[str, str] = field(default_factory=dict, repr=False, metadata={"convert": _variables, **_PASSED})
    authorship: str | None = None
    human_name: str | None = None
    human_email: str | None = None
    instructions: Instructions = None
    subagents: tuple[Path, ...] = field(default=(), metadata=_PATHS)
    tools: tuple[str, ...] = field(default=(), metadata=_WORDS)
    beside: tuple[str, ...] = field(default=(), metadata=_WORDS)
    shared_dir: Path | None = field(default=None, metadata=_PATH)
    shared_mount: str = SHARED_MOUNT
    references: tuple[Reference, ...] = field(default=(), metadata={"convert": _references})
    allow: tuple[str, ...] = field(default=(), metadata=_WORDS)
    profiles: tuple[str, ...] | None = field(default=None, metadata=_OPTIONAL_WORDS)
    policy: Path | None = field(default=None, metadata=_PATH)
    budget: tuple[str, ...] = field(default=(), metadata=_WORDS)
    ssh_scope: str | None = None
    security_class: SecurityClass | None = None
    web: bool = False
    public_url: str = ""


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class ToolRequest(LaunchRequest):
    """One run of a sidecar tool, with the arguments that the tool is given."""

    tool: str
    tool_args: tuple[str, ...] = field(default=(), metadata=_WORDS)
    timeout: int = TOOL_TIMEOUT


class OwnerOptions(TypedDict, total=False):
    """Keywords that say whose container it is, and whether it stays, explained at `LaunchRequest`."""

    project_id: str
    task_id: str
    dossier_path: str | Path | None
    ephemeral: bool


class LaunchOptions(OwnerOptions, total=False):
    """Keywords of every launch of an agent or tool, explained at `LaunchRequest`."""

    branch: str | None
    default_branch: str | None
    start: str | None
    gate: bool
    name: str | None
    timezone: str | None
    credential_set: str


class ContainerOptions(OwnerOptions, total=False):
    """Keywords about the container, explained at `AgentRequest`.

    `gpu` stands for `gpus="all"`, `caps=("perfmon",)` for the opt-out `perf`, and `allow_debugger` for the opt-out
    `debug`, which is about the container's own processes.
    """

    sealed: bool
    unrestricted: bool
    memory: str | None
    cpus: str | float | None
    gpu: bool
    gpus: str | None
    runtime: str | None
    opt_outs: Iterable[str]
    caps: Iterable[str]
    allow_debugger: bool


class RunOptions(LaunchOptions, ContainerOptions, total=False):
    """Keywords of every way of running an agent, explained at `AgentRequest`, whose `provider` is `bound_provider`."""

    model: str | None
    bound_provider: str | None
    workspace: str | Path | None
    kept: bool
    env: Mapping[str, str] | Iterable[str]
    authorship: str | None
    human_name: str | None
    human_email: str | None
    instructions: Instructions
    subagents: Iterable[str | Path]
    tools: Iterable[str]
    beside: Iterable[str]
    shared_dir: str | Path | None
    shared_mount: str
    references: Iterable[str | Sequence[str | None]]
    allow: Iterable[str]
    profiles: Iterable[str] | None
    policy: str | Path | None
    budget: Iterable[str]
    ssh_scope: str | None
    security_class: SecurityClass | None


class ToolOptions(LaunchOptions, total=False):
    """Keywords of a sidecar tool's run, explained at `ToolRequest`."""

    timeout: int


def agent_request(agent: str, repo: str | None, options: RunOptions, **more: Any) -> AgentRequest:
    """Return the request that keywords of a program stand for, with `more` fields of it."""
    given = translated(options)
    return AgentRequest(agent=agent, repo=repo, provider=given.pop("bound_provider", None), **{**given, **more})


def translated(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return keywords with `gpu`, `caps` and `allow_debugger` replaced by the `gpus` and `opt_outs` they stand for."""
    given = dict(options)
    if given.pop("gpu", False):
        given["gpus"] = given.get("gpus") or "all"
    kept = list(given.pop("opt_outs", None) or ())
    for capability in given.pop("caps", None) or ():
        if capability != "perfmon":
            raise RequestError(f"the capability {capability[:40]!r} cannot be granted", hint="only perfmon can be")
        kept.append("perf")
    if given.pop("allow_debugger", False):
        kept.append("debug")
    return {**given, "opt_outs": tuple(dict.fromkeys(kept))}


@lean_dataclass(frozen=True, slots=True)
class Task:
    """Names that every launch has: its task, its container, its repository and the branch it works on.

    `repo` is None if nothing is cloned; `scope` names the mirror and the project that credentials belong to.
    """

    id: str
    name: str
    repo: RepoSource | None
    scope: str
    work_branch: str


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class AgentRun:
    """An agent's run, ready to be built and launched.

    `frontend` serves the web page if the agent itself cannot. `prompt` and `model` are what the agent is given of
    those asked for. `continue_command` takes up the last conversation, `resume_command` the one whose id takes the
    place of `{session}`; they are empty if the agent cannot. `allow` holds policy lines.
    """

    request: AgentRequest
    task: Task
    agent: Agent
    provider: Provider
    tools: tuple[Tool, ...]
    beside: tuple[Agent, ...]
    frontend: Tool | None
    prompt: str | None
    model: str | None
    authorship: Authorship
    instructions: str
    subagents: tuple[SubAgent, ...]
    command: tuple[str, ...]
    continue_command: tuple[str, ...]
    resume_command: tuple[str, ...]
    allow: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def installed(self) -> tuple[Installed, ...]:
        """Everything the image has to hold."""
        return (self.agent, *self.beside, *self.tools, *([self.frontend] if self.frontend is not None else []))
