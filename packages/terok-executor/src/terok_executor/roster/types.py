"""What the rest of the executor knows about an agent or a provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from terok_executor.roster.run_config import AgentRunConfig, CLIOverrides, apply_config


@dataclass(frozen=True, slots=True)
class GitIdentity:
    """Name and e-mail an agent commits as."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class HeadlessSpec:
    """How an agent is run without a terminal; the prompt arrives on its standard input."""

    args: tuple[str, ...]
    model_flag: str | None = None
    max_turns_flag: str | None = None


@dataclass(frozen=True, slots=True)
class AutoApproveSpec:
    """What makes an agent act without asking: the container is the wall, not the question."""

    env: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """How an agent takes up its last conversation: what stands in the place of `headless.args` then."""

    continue_args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProviderBinding:
    """How an agent is told about the provider it talks to."""

    default: str
    token_env: Mapping[str, str]
    """Credential type to environment variable; `_default` covers the rest."""
    base_url_env: str | None = None

    def token_variable(self, credential_type: str) -> str:
        """Return the environment variable for a credential of this type."""
        return self.token_env.get(credential_type) or self.token_env["_default"]


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file placed into the image: literal content, or a resource of this package."""

    path: str
    content: str | None
    resource: str | None
    executable: bool
    owner: str


@dataclass(frozen=True, slots=True)
class NpmStage:
    """Packages fetched and commands run where npm exists, and the files taken from there into the image."""

    packages: tuple[str, ...]
    """`NAME@VERSION`; `{version}` and `{arch}` are filled in."""
    track: str
    """The package whose latest version `agents update` moves to."""
    node: bool
    """Whether the agent needs Node when it runs."""
    run: tuple[str, ...]
    artifacts: Mapping[str, str]
    """Path in the build stage to path in the image."""


@dataclass(frozen=True, slots=True)
class PipStage:
    """Packages (`NAME==VERSION`) installed into a virtual environment at `directory`."""

    requirements: tuple[str, ...]
    directory: str


@dataclass(frozen=True, slots=True)
class DownloadStage:
    """A program at `url`, or `member` of a zip or tar archive there, that goes to `target`.

    `{version}` and `{arch}` are filled in; `track` is an address that answers with the newest version.
    """

    url: str
    track: str
    member: str
    target: str


@dataclass(frozen=True, slots=True)
class InstallSpec:
    """What an agent adds to the image."""

    version: str = ""
    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Package family (`deb`, `rpm`) to packages of the distribution."""
    npm: NpmStage | None = None
    pip: PipStage | None = None
    download: DownloadStage | None = None
    run_as_root: tuple[str, ...] = ()
    run_as_dev: tuple[str, ...] = ()
    files: tuple[StagedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class MountSpec:
    """A directory of the host that an agent keeps its own state in."""

    host_dir: str
    container_path: str
    label: str


@dataclass(frozen=True, slots=True)
class HelpSpec:
    """What the banner `hilfe` says: `text` under the heading of its `section`, `agent` or `dev_tool`."""

    text: str
    section: str


@dataclass(frozen=True, slots=True)
class AgentFile:
    """What a front end reads about each agent of the image that it can show: a template of its path and content.

    `{name}` stands for the agent's name in the path; in the content that, `{label}`, `{help}` and `{acp}`, the
    command that speaks the Agent Client Protocol, stand for quoted strings as JSON and TOML write them.
    """

    path: str
    content: str


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file the agent reads, at a path inside one of its mounts.

    `content` is a template of the whole file; `patch` holds keys and templates to set instead, in a copy of the
    host's file `source`. `credential` is the type of credential it is for, None for every type.
    """

    path: str
    content: str | None
    patch: Mapping[str, Any] | None = None
    source: str | None = None
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class LoginSpec:
    """An agent's own sign-in: `methods` (`oauth`, `device`) to the command that does it in a container."""

    methods: Mapping[str, tuple[str, ...]]
    urls: tuple[str, ...]
    """Beginnings of the URLs that a person may be sent to."""
    code: str
    """Regular expression of the code to type there; empty if there is none."""
    paste: str
    """What the person is asked to bring back from there; empty if nothing."""
    callback_port: int | None
    """Port of the container's loopback that the sign-in page leads back to."""
    allow: tuple[str, ...]
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CredentialFile:
    """Where a sign-in leaves a credential: paths of keys by the name they are stored under.

    `phantom` is what a task finds at the path instead; its leaves name stored values.
    """

    path: str
    format: str
    type: str
    fields: Mapping[str, tuple[str, ...]]
    optional: Mapping[str, tuple[str, ...]]
    phantom: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class WebSpec:
    """A command that serves a web page on a port of the container's loopback.

    `{port}`, `{public_url}` and `{agent}` (the agent's name) are filled in.
    """

    command: tuple[str, ...]
    port: int


@dataclass(frozen=True, slots=True)
class Tool:
    """A program besides the agent: in the agent's container, in one of its own (`sidecar`), or around the agent."""

    name: str
    label: str
    kind: str
    binary: str
    args: tuple[str, ...]
    provider: str | None
    env: Mapping[str, str]
    config_files: tuple[ConfigFile, ...]
    web: WebSpec | None
    agent_file: AgentFile | None
    install: InstallSpec
    mounts: tuple[MountSpec, ...]
    help: HelpSpec


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent CLI."""

    name: str
    label: str
    kind: str
    binary: str
    speaks: Mapping[str, Mapping[str, str]]
    """Protocol to what the templates call differently for it, in order of preference."""
    git_identity: GitIdentity
    headless: HeadlessSpec
    auto_approve: AutoApproveSpec
    session: SessionSpec
    provider: ProviderBinding
    env: Mapping[str, str]
    config_files: tuple[ConfigFile, ...]
    login: LoginSpec | None
    account_note: str
    """What to do instead of a sign-in with an account, where the agent has one that cannot be used here."""
    credential_files: tuple[CredentialFile, ...]
    instructions_file: str | None
    """Where the agent looks for instructions that hold for every task; None if nowhere."""
    subagents_dir: str | None
    """Where the agent looks for definitions of sub-agents (Markdown with front matter); None if nowhere."""
    acp: tuple[str, ...]
    """The command that speaks the Agent Client Protocol; empty if the agent has none."""
    model_list: Mapping[str, str] | None
    """`file`, dotted `key` and `form` of the list of models in the agent's configuration, if it has one."""
    web: WebSpec | None
    install: InstallSpec
    mounts: tuple[MountSpec, ...]
    help: HelpSpec

    def protocol_for(self, provider: Provider) -> str | None:
        """Return the protocol the agent and the provider share, the agent's preferred one first."""
        return next((protocol for protocol in self.speaks if protocol in provider.serves), None)

    def apply_config(self, config: Mapping[str, Any], overrides: CLIOverrides) -> AgentRunConfig:
        """Map model, turn and time limits to this agent, see `terok_executor.roster.run_config.apply_config`."""
        return apply_config(self, config, overrides)

    def build_headless_command(
        self, *, timeout: int, model: str | None = None, max_turns: int | None = None, unrestricted: bool = True
    ) -> tuple[str, ...]:
        """Return the container's command, see `terok_executor.launch.command.headless_command`."""
        from terok_executor.launch.command import headless_command

        return headless_command(self, timeout=timeout, model=model, max_turns=max_turns, unrestricted=unrestricted)

    @property
    def templates(self) -> tuple[str, ...]:
        """Every text with placeholders."""
        return (*self.env.values(), *(file.content for file in self.config_files if file.content is not None))


@dataclass(frozen=True, slots=True)
class AuthHeader:
    """How a provider expects a credential of one type."""

    header: str
    prefix: str
    extra_headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PhantomShape:
    """Form of a phantom token: `prefix` and `length` random characters of a named alphabet."""

    prefix: str
    length: int
    alphabet: str


@dataclass(frozen=True, slots=True)
class RefreshSpec:
    """Where and as which client an OAuth access token is refreshed."""

    token_url: str
    client_id: str
    scope: str | None = None
    client_secret: str | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """One model provider: where it is, and how it is spoken to."""

    name: str
    label: str
    upstream: str | None
    auth: Mapping[str, AuthHeader]
    """Credential type to header."""
    serves: Mapping[str, str]
    """Protocol to the path below the upstream; empty for what only tools use."""
    shared_domain: bool
    """Whether the host also serves what is not behind the credential, so that it may be allowed."""
    default_model: str | None
    path_upstreams: Mapping[str, str]
    token: PhantomShape
    oauth_refresh: RefreshSpec | None
    key_url: str
    help: str

    @property
    def default_auth(self) -> AuthHeader:
        """The header of an API key, or of the only type there is."""
        return self.auth.get("api_key") or next(iter(self.auth.values()))


Installed = Agent | Tool
"""What an image can hold."""
