"""The sections of `config.yml` and `project.yml` that belong to terok, as values.

The string below a key is its documentation: `config explain`, the JSON Schema and the reference page show it. pydantic
reads the annotations when a file has to be checked; a command that finds its settings remembered never imports it.
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any

from terok_util import lean_dataclass

from terok.config.spelling import (
    AbsolutePath,
    AgentName,
    Branch,
    Command,
    Count,
    Destination,
    Memory,
    Name,
    Seconds,
    Size,
    State,
    TimeZone,
    Variable,
)
from terok.integrations.executor import Documented, Limits, OneOf, default_agent


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class AgentSection(Documented):
    """`agent:` which agent works, and with what it is told."""

    name: AgentName = default_agent()
    """The agent of tasks that name none."""
    provider: Name | None = None
    """The provider of its model; by default the agent's own."""
    model: str | None = None
    """The model, by the provider's name of it."""
    max_turns: Annotated[int, Limits(ge=1)] | None = None
    """Turns after which a headless task ends."""
    instructions: str | tuple[str, ...] | dict[str, str | tuple[str, ...]] = ("_inherit",)
    """Instructions besides the prompt: a text, a list, or either by agent with `_default`.

    In a list `_inherit` stands for what the layers below say, in the end the text that comes with terok.
    `instructions.md` in the project's directory is always added.
    """
    subagents: tuple[str, ...] = ()
    """Markdown files of sub-agents, relative to the file that names them."""


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class RunSection(Documented):
    """`run:` what a container gets."""

    memory: Memory | None = None
    """Memory limit, such as `4g`; by default three quarters of the host's."""
    cpus: Annotated[float, Limits(gt=0, allow_inf_nan=False)] | None = None
    """Limit of processor cores, such as `2.5`."""
    gpus: str | None = None
    """GPUs: `all`, a vendor (`nvidia`, `amd`, `intel`), or one device such as `nvidia:0`."""
    timeout: Annotated[int, Limits(ge=1, le=604800)] = 1800
    """Seconds after which a headless task is ended."""
    timezone: TimeZone | None = None
    """Time zone, such as `Europe/Berlin`; by default the host's."""
    env: dict[Variable, str] = field(default_factory=dict)
    """Variables for the container; no credentials, these come from the vault."""
    tools: tuple[str, ...] = ()
    """Tools of the roster that the container gets with a token of their own."""
    sealed: bool = False
    """Copy files in instead of mounting them."""
    unrestricted: bool = True
    """Let the agent act without asking, and `sudo` work inside."""
    runtime: Annotated[str, OneOf("crun", "runc")] | None = None
    """The OCI runtime; by default Podman's."""


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class ShieldSection(Documented):
    """`shield:` destinations beside those of the profiles."""

    allow: tuple[Destination, ...] = ()
    """Destinations to open, `HOST` (port 443) or `HOST:PORT`."""
    policy: str | None = None
    """A policy file, in place of the profiles of the layers below."""


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsSection(Documented):
    """`credentials:` which of the vault's credentials a task may use."""

    set: Name = "default"
    """The credential set; `terok auth --credential-set` fills it."""
    ssh_keys: bool = False
    """Let the container sign with the SSH keys of the project's scope."""


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class SharedSection(Documented):
    """`shared:` a directory that all tasks of a project see."""

    dir: bool | AbsolutePath = False
    """`true` for a directory that terok keeps, or the path of one of the host's."""
    mount: AbsolutePath = "/shared"
    """Where the containers see it."""


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class HooksSection(Documented):
    """`hooks:` commands of the host, run by `sh -c` once for each transition of a task."""

    pre_start: Command | None = None
    """Before the container starts; a failure cancels the start."""
    post_start: Command | None = None
    """When the container runs."""
    post_ready: Command | None = None
    """When the repository is there and the agent can work."""
    post_stop: Command | None = None
    """When the container has ended, whatever ended it."""
    timeout: Annotated[int, Limits(ge=1, le=3600)] = 120
    """Seconds until a hook is killed."""


HOOKS = ("pre_start", "post_start", "post_ready", "post_stop")
"""The keys of `HooksSection` that are commands."""


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class GitSection(Documented):
    """`git:` who commits."""

    authorship: Annotated[str, OneOf("agent", "human", "agent-human", "human-agent")] = "agent"
    """Author and committer: `agent`, `human`, or `agent-human` (the agent writes, the person commits)."""
    human_name: str | None = None
    """The person's name; by default that of the host's git."""
    human_email: str | None = None
    """The person's e-mail address; by default that of the host's git."""


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class Repository(Documented):
    """A repository of a project. Of those beside the first a task can read `/repos/NAME.git`, a copy of its own."""

    name: Name
    """Part of its place in the container, and of its mirror's name, `PROJECT.NAME`."""
    upstream: str
    """A directory of the host, or an https or ssh address."""
    branch: Branch | None = None
    """The branch that a clone of it is on; by default the upstream's own."""


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class ProjectGitSection(GitSection):
    """`git:` what is worked on, and who commits."""

    upstream: str | None = None
    """The repository: a directory of the host, or an https or ssh address."""
    branch: Branch | None = None
    """The branch that tasks begin with; by default the upstream's own."""
    repos: tuple[Repository, ...] = ()
    """More repositories, which tasks can read at `/repos/NAME.git`, and clone from there."""


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class TasksSection(Documented):
    """`tasks:` how tasks of a project are admitted and kept."""

    project_slots: Count = 4
    """Tasks of one project that work at once; the others wait in the queue."""
    wait_for_limit: Seconds = 0
    """Seconds that a task may wait for its provider's limit to be reset and then go on; 0 is not at all."""


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class HostTasksSection(TasksSection):
    """`tasks:` how tasks are admitted and kept."""

    slots: Count = 4
    """Tasks of all projects that work at once."""
    min_free_disk: Size = "5g"
    """With less free space no task starts."""
    resume: bool = True
    """Start again, after a reboot or a crash, what should run."""
    trash_days: Annotated[int, Limits(ge=0, le=3650)] = 14
    """Days for which a deleted task can be brought back."""
    archive_days: Annotated[int, Limits(ge=0, le=36500)] = 365
    """Days for which records of archived tasks are kept."""


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSection(Documented):
    """`controller:` the process that looks after tasks."""

    keep_awake: bool = True
    """Keep the machine from sleeping while a task works."""


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class NotifySection(Documented):
    """`notify:` how a person hears that a task needs them."""

    desktop: bool = True
    """Desktop notifications."""
    terminal: bool = False
    """Notifications of the terminal (OSC 9)."""
    command: tuple[str, ...] = ()
    """A command, word by word; `TEROK_NOTIFY_*` variables tell it what happened."""
    states: tuple[State, ...] = ("needs", "review", "failed")
    """Which states or groups of states are worth a notification."""


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class TuiSection(Documented):
    """`tui:` the terminal interface."""

    theme: Annotated[str, OneOf("terminal", "blue-orange", "blue-orange-light")] = "terminal"
    """Colors: the terminal's own, or blue and orange for dark and for light terminals."""
    plain: bool = False
    """Plain lines and numbered menus instead of a screen, as `--plain` does."""
    keys: dict[str, str] = field(default_factory=dict)
    """Keys by the name of their action, such as `stop: s`; `terok tui --keys` lists the actions."""


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class AboutSection(Documented):
    """`project:` about the project; its name is that of its directory."""

    description: str = ""
    """One line about it."""


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class Common(Documented):
    """The sections that every layer can have."""

    agent: AgentSection = AgentSection()
    run: RunSection = RunSection()
    shield: ShieldSection = ShieldSection()
    credentials: CredentialsSection = CredentialsSection()
    shared: SharedSection = SharedSection()
    hooks: HooksSection = HooksSection()
    presets: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Bundles of settings by name; a task that names one has its sections on top of the project's."""


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class HostFile(Common):
    """All that `config.yml` may say, besides the sections of the wheels below."""

    git: GitSection = GitSection()
    tasks: HostTasksSection = HostTasksSection()
    controller: ControllerSection = ControllerSection()
    notify: NotifySection = NotifySection()
    tui: TuiSection = TuiSection()


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFile(Common):
    """All that `project.yml` may say, besides the sections of the wheels below."""

    project: AboutSection = AboutSection()
    git: ProjectGitSection = ProjectGitSection()
    tasks: TasksSection = TasksSection()


PRESET_SECTIONS = frozenset(("agent", "run", "shield", "credentials", "hooks", "image", "budget", "gate"))
"""The sections that a preset may have."""
