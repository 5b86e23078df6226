"""Agents and tools as their YAML files describe them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Annotated, Any, ClassVar, Literal

from terok_util import lean_dataclass

from terok_executor.errors import RequestError
from terok_executor.roster.acp import AcpSpec
from terok_executor.roster.install import InstallSpec
from terok_executor.roster.provider import Provider
from terok_executor.roster.run_config import (
    DEFAULT_TIMEOUT,
    INIT,
    AgentRunConfig,
    CLIOverrides,
    checked_model,
    resolve_provider_value,
    time_limit,
)
from terok_executor.roster.spelling import (
    NOT_EMPTY,
    AbsolutePath,
    Argument,
    CredentialType,
    EnvName,
    Expression,
    HostName,
    KeyPath,
    Limits,
    Line,
    LineTemplate,
    OneOf,
    Protocol,
    ReportKind,
    Section,
    Segment,
    Template,
    TokenKey,
    ValueName,
    check_placeholders,
    spelled,
)
from terok_executor.roster.template import AGENT_FILE_PLACEHOLDERS, PLACEHOLDERS, TOOL_PLACEHOLDERS, placeholders


@lean_dataclass(frozen=True, slots=True)
class GitIdentity(Section):
    """Name and e-mail an agent commits as."""

    name: Line
    email: Line = "noreply@terok.ai"


@lean_dataclass(frozen=True, slots=True)
class HeadlessSpec(Section):
    """How an agent is run without a terminal; the prompt arrives on its standard input.

    `transcript_args` make it print a `transcript` in the format of that name, a file in `transcripts/`.
    """

    args: tuple[Argument, ...] = ()
    transcript_args: tuple[Argument, ...] = ()
    transcript: Segment | None = None
    model_flag: Argument | None = None
    max_turns_flag: Argument | None = None


@lean_dataclass(frozen=True, slots=True)
class AutoApproveSpec(Section):
    """Variables and options that make an agent act without asking: the container is the wall, not the question."""

    env: Mapping[EnvName, Line] = field(default_factory=dict)
    flags: tuple[Argument, ...] = ()


@lean_dataclass(frozen=True, slots=True)
class SessionSpec(Section):
    """How an agent takes up its last conversation, or that with the id `{session}`, in place of `headless.args`."""

    continue_args: tuple[Argument, ...] = ()
    resume_args: tuple[Argument, ...] = ()


@lean_dataclass(frozen=True, slots=True)
class ProviderBinding(Section):
    """How an agent is told about the provider it talks to."""

    default: Segment
    token_env: Mapping[TokenKey, EnvName]
    """Credential type to environment variable; `_default` covers the rest."""
    base_url_env: EnvName | None = None

    def check(self) -> None:
        """Refuse a binding that leaves a credential type without a variable."""
        if "_default" not in self.token_env:
            raise ValueError("token_env needs a _default entry")

    def token_variable(self, credential_type: str) -> str:
        """Return the environment variable for a credential of this type."""
        return self.token_env.get(credential_type) or self.token_env["_default"]


@lean_dataclass(frozen=True, slots=True)
class MountSpec(Section):
    """A directory of the host that an agent keeps its own state in."""

    host_dir: Segment
    container_path: AbsolutePath
    label: Line


@lean_dataclass(frozen=True, slots=True)
class HelpSpec(Section):
    """An entry's line in the banner `terok-help`, under the heading of its `section`; a text alone is its `text`."""

    text: Line = ""
    section: Literal["agent", "dev_tool"] = "agent"


@lean_dataclass(frozen=True, slots=True)
class AgentFile(Section):
    """A file that a front end reads about each agent it can show: templates of its path and content.

    `{name}` stands for the agent's name in the path; in the content that, `{label}`, `{help}` and `{acp}`, the
    command that speaks the Agent Client Protocol, stand for quoted strings as JSON and TOML write them.
    """

    path: Annotated[str, spelled(r"/[A-Za-z0-9_./-]*\{name\}[A-Za-z0-9_.-]*", "a path with {name} in its last part")]
    content: Template

    def check(self) -> None:
        """Refuse placeholders that nothing fills in."""
        check_placeholders([self.content], AGENT_FILE_PLACEHOLDERS)


def _as_written(name: str) -> str:
    """Return the key of a field in a file: `from` is a keyword of Python."""
    return "from" if name == "source" else name


@lean_dataclass(frozen=True, slots=True)
class ConfigFile(Section):
    """A file the agent finds in one of its mounts, written when a task starts.

    `content` is a template of the whole file; `patch` sets keys of a JSON, TOML or YAML file, which begins as the
    file `from` of this host. With `credential` the entry counts for a credential of that type only.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {**Section.__pydantic_config__, "alias_generator": _as_written}

    path: AbsolutePath
    content: Template | None = None
    patch: Mapping[str, Any] | None = None
    source: Annotated[str, spelled(r"(~|)/[^\x00-\x1f]+", "an absolute path or one below ~/")] | None = None
    credential: CredentialType | None = None

    def check(self) -> None:
        """Refuse a file with two sources of its content, or none."""
        if (self.content is None) == (self.patch is None):
            raise ValueError("exactly one of content and patch is needed")
        if self.patch is not None and not self.path.endswith((".json", ".toml", ".yaml", ".yml")):
            raise ValueError("a patch is for a .json, .toml or .yaml file")
        if self.patch is None and self.source is not None:
            raise ValueError("from needs a patch")

    @property
    def templates(self) -> Iterator[str]:
        """Every text with placeholders."""
        waiting: list[Any] = [self.content if self.content is not None else self.patch]
        while waiting:
            node = waiting.pop()
            if isinstance(node, str):
                yield node
            elif isinstance(node, Mapping | list):
                waiting += node.values() if isinstance(node, Mapping) else node


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class LoginSpec(Section):
    """An agent's own sign-in: `methods` to the command that does it in a container."""

    methods: Annotated[
        Mapping[Annotated[str, OneOf("oauth", "device")], Annotated[tuple[Argument, ...], NOT_EMPTY]], NOT_EMPTY
    ]
    urls: Annotated[
        tuple[Annotated[str, spelled(r"https?://[^\s/]+/[!-~]*", "the beginning of a URL, with a path")], ...],
        NOT_EMPTY,
    ]
    """Beginnings of the URLs that a person may be sent to."""
    code: Expression = ""
    """Regular expression of the code to type there; empty without a code."""
    paste: Line = ""
    """Name of the thing that the person is asked to bring back from there; empty if nothing is."""
    callback_port: Annotated[int, Limits(ge=1024, le=65535)] | None = None
    """Port of the container's loopback that the sign-in page leads back to."""
    allow: tuple[Line, ...] = ()
    env: Mapping[EnvName, Line] = field(default_factory=dict)


@lean_dataclass(frozen=True, slots=True)
class CredentialFile(Section):
    """Where a sign-in leaves a credential: paths of keys by the name they are stored under.

    `phantom` is what a task finds at the path instead; its leaves name stored values.
    """

    path: AbsolutePath
    type: CredentialType
    fields: Annotated[Mapping[ValueName, KeyPath], NOT_EMPTY]
    format: Literal["json", "toml", "yaml", "env"] = "json"
    optional: Mapping[ValueName, KeyPath] = field(default_factory=dict)
    phantom: Mapping[str, Any] | None = None

    def check(self) -> None:
        """Refuse a file without the one value that a credential of its type consists of."""
        needed = "access_token" if self.type == "oauth" else "key"
        if needed not in self.fields:
            raise ValueError(f"fields needs {needed} for the type {self.type}")


@lean_dataclass(frozen=True, slots=True)
class WebSpec(Section):
    """A command that serves a web page on a port of the container's loopback.

    `{port}`, `{public_url}` and `{agent}` (the agent's name) are filled in.
    """

    command: Annotated[tuple[Argument, ...], NOT_EMPTY]
    port: Annotated[int, Limits(ge=1024, le=9400)] = 8081


@lean_dataclass(frozen=True, slots=True)
class ModelList(Section):
    """Where a JSON configuration file of an agent lists the models on offer."""

    file: AbsolutePath
    key: Annotated[str, spelled(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", "a dotted key")]
    form: Literal["map", "list"] = "map"


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class Tool(Section):
    """A file in `tools/`: a program besides the agent, with a credential of its own.

    It runs in the agent's container, in one of its own (`sidecar`), or around the agent (`frontend`).
    """

    name: str
    label: Line
    kind: Literal["tool", "sidecar", "frontend"] = "tool"
    binary: Segment
    args: tuple[Argument, ...] = ()
    provider: Segment | None = None
    env: Mapping[EnvName, LineTemplate] = field(default_factory=dict)
    config_files: tuple[ConfigFile, ...] = ()
    web: WebSpec | None = None
    agent_file: AgentFile | None = None
    install: InstallSpec = field(default_factory=InstallSpec)
    mounts: tuple[MountSpec, ...] = ()
    help: HelpSpec
    roster_version: Literal[1] = 1

    def check(self) -> None:
        """Refuse files outside the mounts, and placeholders that nothing fills in."""
        if any(file.patch is not None or file.credential is not None for file in self.config_files):
            raise ValueError("a tool's config_files have a path and content alone")
        _check_inside_mounts([file.path for file in self.config_files], self.mounts)
        check_placeholders(_templates(self.env, self.config_files), TOOL_PLACEHOLDERS)


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class Agent(Section):
    """A file in `agents/`: one agent CLI. Its hooks make `reports` of these kinds; silence on others says nothing."""

    name: str
    label: Line
    kind: Literal["native", "harness"] = "native"
    binary: Segment
    speaks: Annotated[Mapping[Protocol, Mapping[ValueName, Line]], NOT_EMPTY]
    """Protocol to what the templates call differently for it, in order of preference."""
    git_identity: GitIdentity
    headless: HeadlessSpec = HeadlessSpec()
    auto_approve: AutoApproveSpec = field(default_factory=AutoApproveSpec)
    session: SessionSpec = SessionSpec()
    reports: tuple[ReportKind, ...] = ()
    unasked: tuple[HostName, ...] = ()
    """Names that it looks up by itself, for news and measurements: while nothing opens them, nobody is asked."""
    provider: ProviderBinding
    env: Mapping[EnvName, LineTemplate] = field(default_factory=dict)
    config_files: tuple[ConfigFile, ...] = ()
    login: LoginSpec | None = None
    account_note: Line = ""
    """Advice for an agent whose own sign-in with an account cannot be used here."""
    credential_files: tuple[CredentialFile, ...] = ()
    instructions_file: AbsolutePath | None = None
    """File in which the agent looks for instructions that hold for every task; None if it has none."""
    subagents_dir: AbsolutePath | None = None
    """Directory in which the agent looks for sub-agents (Markdown with front matter); None if it has none."""
    acp: AcpSpec | None = None
    model_list: ModelList | None = None
    web: WebSpec | None = None
    install: InstallSpec = field(default_factory=InstallSpec)
    mounts: tuple[MountSpec, ...] = ()
    help: HelpSpec
    roster_version: Literal[1] = 1

    def check(self) -> None:
        """Refuse files outside the mounts, and placeholders that nothing fills in."""
        paths = [*(file.path for file in self.config_files), *(file.path for file in self.credential_files)]
        _check_inside_mounts([*paths, *filter(None, (self.instructions_file, self.subagents_dir))], self.mounts)
        known = {*PLACEHOLDERS, *(name for values in self.speaks.values() for name in values)}
        known |= {name for file in self.credential_files for name in file.optional}
        check_placeholders(_templates(self.env, self.config_files), known)

    def protocol_for(self, provider: Provider) -> str | None:
        """Return the protocol the agent and the provider share, the agent's preferred one first."""
        return next((protocol for protocol in self.speaks if protocol in provider.serves), None)

    @property
    def templates(self) -> tuple[str, ...]:
        """Every variable and whole file with placeholders."""
        return (*self.env.values(), *(file.content for file in self.config_files if file.content is not None))

    @property
    def takes_model(self) -> bool:
        """Whether the agent can be given a model, by an option or in its configuration."""
        return self.headless.model_flag is not None or any("model" in placeholders(text) for text in self.templates)

    def apply_config(self, config: Mapping[str, Any], overrides: CLIOverrides) -> AgentRunConfig:
        """Map `model`, `max_turns` and `timeout` to this agent; what was asked for wins over `config`.

        A turn limit the agent has no option for becomes guidance in the prompt; such a model becomes a warning.
        RequestError for a limit below one.
        """

        def chosen(key: str, override: Any) -> Any:
            return override if override is not None else resolve_provider_value(key, config, self.name)

        model, turns = chosen("model", overrides.model), chosen("max_turns", overrides.max_turns)
        timeout = chosen("timeout", overrides.timeout)
        timeout = DEFAULT_TIMEOUT if timeout is None else timeout
        for limit, value in (("turn limit", turns), ("time-out", timeout)):
            if value is not None and (type(value) is not int or value < 1):
                raise RequestError(f"invalid {limit} {value!r}: use a whole number of at least 1")
        extra, warnings = "", []
        if model is not None and not self.takes_model:
            warnings.append(f"agent {self.name} has no option for a model; {model} is not used")
            model = None
        if turns is not None and self.headless.max_turns_flag is None:
            extra = f"Finish within {turns} turns, and commit what you have before you run out of them."
            warnings.append(f"agent {self.name} has no option for a turn limit; it is asked for in the prompt")
            turns = None
        return AgentRunConfig(model, turns, timeout, extra, tuple(warnings))

    def build_headless_command(
        self, *, timeout: int, model: str | None = None, max_turns: int | None = None, unrestricted: bool = True
    ) -> tuple[str, ...]:
        """Return the container's command: the start script, a time limit in seconds and the agent.

        The agent reads the prompt from standard input. RequestError if it has no such option, or a limit is below one.
        """
        if timeout < 1:
            raise RequestError(f"invalid time-out {timeout}: use at least one second")
        headless, flags = self.headless, self.auto_approve.flags if unrestricted else ()
        arguments = [self.binary, *headless.args, *headless.transcript_args, *flags]
        if model is not None:
            checked = checked_model(model)
            if headless.model_flag is not None:
                arguments += [headless.model_flag, checked]
            elif not self.takes_model:
                raise RequestError(f"agent {self.name} has no option for a model choice", hint="leave the option out")
        if max_turns is not None:
            if max_turns < 1:
                raise RequestError(f"invalid turn limit {max_turns}: use at least 1")
            if headless.max_turns_flag is None:
                raise RequestError(f"agent {self.name} has no option for a turn limit", hint="leave the option out")
            arguments += [headless.max_turns_flag, str(max_turns)]
        return (INIT, *time_limit(timeout), *arguments)


Installed = Agent | Tool
"""Anything that an image can hold."""


def _check_inside_mounts(paths: Iterable[str], mounts: Iterable[MountSpec]) -> None:
    roots = tuple(mount.container_path.rstrip("/") + "/" for mount in mounts)
    for path in paths:
        if not path.startswith(roots):
            raise ValueError(f"the file {path} lies in none of the mounts")


def _templates(env: Mapping[str, str], files: Iterable[ConfigFile]) -> list[str]:
    return [*env.values(), *(text for file in files for text in file.templates)]
