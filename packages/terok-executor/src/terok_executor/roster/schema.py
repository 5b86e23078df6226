"""The shape of roster files, checked strictly: a key nobody reads is an error, not a wish."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from terok_executor.roster.spellings import expression as _expression
from terok_executor.roster.spellings import match as _match
from terok_executor.roster.spellings import upstream as _upstream
from terok_executor.roster.template import (
    AGENT_FILE_PLACEHOLDERS,
    MODEL_PATTERN,
    PLACEHOLDERS,
    TOOL_PLACEHOLDERS,
    check_template,
    placeholders,
)

EnvName = Annotated[str, _match(r"[A-Za-z_][A-Za-z0-9_]{0,63}", "an environment variable name")]
ValueName = Annotated[str, _match(r"[a-z][a-z_]{0,31}", "a lower-case name")]
HeaderName = Annotated[str, _match(r"[A-Za-z0-9-]{1,64}", "a header name")]
HeaderText = Annotated[str, _match(r"[\x20-\x7e]*", "printable ASCII")]
AbsolutePath = Annotated[str, _match(r"/(?!.*\.\.)[A-Za-z0-9_./@+-]*", "an absolute path of plain characters")]
UrlPath = Annotated[str, _match(r"|/[A-Za-z0-9_./~-]*", "empty or a path that starts with a slash")]
Segment = Annotated[str, _match(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", "one path segment")]
Line = Annotated[str, _match(r"[^\x00-\x1f\x7f]*", "one line of text")]
Argument = Annotated[str, _match(r"[^\x00\n]+", "a command-line argument")]
Upstream = Annotated[str, AfterValidator(_upstream)]
Template = Annotated[str, AfterValidator(check_template)]
Model = Annotated[str, _match(MODEL_PATTERN, "a model name")]
Protocol = Literal["anthropic-messages", "openai-chat", "openai-responses", "google-generative"]
CredentialType = Literal["api_key", "oauth", "oauth_token", "pat"]
KeyPath = Annotated[list[str], Field(min_length=1, max_length=8)]
TokenKey = Literal["api_key", "oauth", "oauth_token", "pat", "_default"]


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class RawGitIdentity(_Section):
    """Section `git_identity`."""

    name: Line | None = None
    email: Line = "noreply@terok.ai"


class RawHeadless(_Section):
    """Section `headless`."""

    args: list[Argument] = []
    model_flag: Argument | None = None
    max_turns_flag: Argument | None = None


class RawAutoApprove(_Section):
    """Section `auto_approve`."""

    env: dict[EnvName, Line] = {}
    flags: list[Argument] = []


class RawSession(_Section):
    """Section `session`."""

    continue_args: list[Argument] = []


class RawBinding(_Section):
    """Section `provider` of an agent."""

    default: Segment
    token_env: dict[TokenKey, EnvName]
    base_url_env: EnvName | None = None

    @model_validator(mode="after")
    def _covers_every_type(self) -> RawBinding:
        if "_default" not in self.token_env:
            raise ValueError("token_env needs a _default entry")
        return self


class RawStagedFile(_Section):
    """One entry of `install.files`."""

    path: AbsolutePath
    content: str | None = None
    resource: Segment | None = None
    executable: bool = False
    owner: Literal["root", "dev"] = "root"

    @model_validator(mode="after")
    def _one_source(self) -> RawStagedFile:
        if (self.content is None) == (self.resource is None):
            raise ValueError("exactly one of content and resource is needed")
        return self


class RawNpmStage(_Section):
    """Section `install.npm`; `{version}` and `{arch}` (`x64`, `arm64`) stand for themselves in packages."""

    packages: list[Annotated[str, _match(r"(@[a-z0-9._-]+/)?[a-z0-9._{}-]+@[A-Za-z0-9._{}-]+", "NAME@VERSION")]] = []
    track: Annotated[str, _match(r"(@[a-z0-9._-]+/)?[a-z0-9._-]+|", "a package name")] = ""
    node: bool = False
    run: list[Argument] = Field(min_length=1)
    artifacts: dict[AbsolutePath, AbsolutePath] = Field(min_length=1)


class RawPipStage(_Section):
    """Section `install.pip`: packages in a virtual environment of the image's own Python."""

    requirements: list[Annotated[str, _match(r"[A-Za-z0-9._-]+==[A-Za-z0-9._+{}-]+", "NAME==VERSION")]] = Field(
        min_length=1
    )
    directory: AbsolutePath


class RawDownload(_Section):
    """Section `install.download`: one program in a file or an archive that its maker offers.

    `{version}` and `{arch}` (`x64`, `arm64`) stand for themselves in `url`; `track` answers with the newest
    version. It is installed by its checksum in the lock file, or not at all.
    """

    url: Annotated[str, _match(r"https?://[A-Za-z0-9.:-]+/[A-Za-z0-9._{}/@+-]+", "a URL of plain characters")]
    track: Annotated[str, _match(r"https?://[A-Za-z0-9.:-]+/[A-Za-z0-9._/@+-]+|", "a URL of plain characters")] = ""
    member: Annotated[str, _match(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_./@+-]*|", "a path in the archive")] = ""
    target: AbsolutePath


class RawInstall(_Section):
    """Section `install`."""

    version: Annotated[str, _match(r"[A-Za-z0-9.+_-]*", "a version")] = ""
    packages: dict[Literal["deb", "rpm"], list[Annotated[str, _match(r"[a-z0-9][a-z0-9.+_-]*", "a package")]]] = {}
    npm: RawNpmStage | None = None
    pip: RawPipStage | None = None
    download: RawDownload | None = None
    run_as_root: list[Argument] = []
    run_as_dev: list[Argument] = []
    files: list[RawStagedFile] = []


class RawMount(_Section):
    """One entry of `mounts`."""

    host_dir: Segment
    container_path: AbsolutePath
    label: Line = ""


class RawConfigFile(_Section):
    """One entry of `config_files`: a file the agent finds in one of its mounts, written when a task starts.

    `content` is the whole file; `patch` sets keys of a JSON, TOML or YAML file, which begins as the file `from`
    of this host. With `credential` the entry counts for a credential of that type only.
    """

    path: AbsolutePath
    content: Template | None = None
    patch: dict[str, Any] | None = None
    source: Annotated[str, _match(r"(~|)/[^\x00-\x1f]+", "an absolute path or one below ~/")] | None = Field(
        default=None, alias="from"
    )
    credential: CredentialType | None = None

    @model_validator(mode="after")
    def _one_way(self) -> RawConfigFile:
        if (self.content is None) == (self.patch is None):
            raise ValueError("exactly one of content and patch is needed")
        if self.patch is not None and not self.path.endswith((".json", ".toml", ".yaml", ".yml")):
            raise ValueError("a patch is for a .json, .toml or .yaml file")
        if self.patch is None and self.source is not None:
            raise ValueError("from needs a patch")
        return self


class RawLogin(_Section):
    """Section `login`: how the agent's own sign-in runs in a container."""

    methods: dict[Literal["oauth", "device"], Annotated[list[Argument], Field(min_length=1)]] = Field(min_length=1)
    urls: list[Annotated[str, _match(r"https?://[^\s/]+/[!-~]*", "the beginning of a URL, with a path")]] = Field(
        min_length=1
    )
    code: Annotated[str, AfterValidator(_expression)] = ""
    paste: Line = ""
    callback_port: int | None = Field(default=None, ge=1024, le=65535)
    allow: list[Line] = []
    env: dict[EnvName, Line] = {}


class RawCredentialFile(_Section):
    """One entry of `credential_files`: where a sign-in leaves a credential, and what a task finds there instead."""

    path: AbsolutePath
    format: Literal["json", "toml", "yaml", "env"] = "json"
    type: CredentialType
    fields: dict[ValueName, KeyPath] = Field(min_length=1)
    optional: dict[ValueName, KeyPath] = {}
    phantom: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _complete(self) -> RawCredentialFile:
        needed = "access_token" if self.type == "oauth" else "key"
        if needed not in self.fields:
            raise ValueError(f"fields needs {needed} for the type {self.type}")
        return self


class RawWeb(_Section):
    """Section `web`: the command that serves a web page on a port of the container's loopback."""

    command: list[Argument] = Field(min_length=1)
    port: int = Field(default=8081, ge=1024, le=9400)


class RawHelp(_Section):
    """Section `help`: an entry's line in the banner `hilfe`; a text alone is its `text`.

    Agents stand under `agent` and the others under `dev_tool` unless `section` says otherwise.
    """

    text: Line = ""
    section: Literal["agent", "dev_tool"] | None = None


def _help(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


Help = Annotated[RawHelp, BeforeValidator(_help, json_schema_input_type=str | RawHelp)]


class RawModelList(_Section):
    """Section `model_list`: where a JSON configuration file lists the models on offer."""

    file: AbsolutePath
    key: Annotated[str, _match(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", "a dotted key")]
    form: Literal["map", "list"] = "map"


class RawAgentYaml(_Section):
    """A file in `agents/`."""

    roster_version: Literal[1] = 1
    kind: Literal["native", "harness"] = "native"
    label: Line | None = None
    binary: Segment | None = None
    speaks: dict[Protocol, dict[ValueName, Line]] = Field(min_length=1)
    git_identity: RawGitIdentity = RawGitIdentity()
    headless: RawHeadless = RawHeadless()
    auto_approve: RawAutoApprove = RawAutoApprove()
    session: RawSession = RawSession()
    provider: RawBinding
    env: dict[EnvName, Annotated[Line, AfterValidator(check_template)]] = {}
    config_files: list[RawConfigFile] = []
    login: RawLogin | None = None
    account_note: Line = ""
    credential_files: list[RawCredentialFile] = []
    instructions_file: AbsolutePath | None = None
    subagents_dir: AbsolutePath | None = None
    acp: list[Argument] = []
    model_list: RawModelList | None = None
    web: RawWeb | None = None
    install: RawInstall = RawInstall()
    mounts: list[RawMount] = []
    help: Help = RawHelp()

    @model_validator(mode="after")
    def _consistent(self) -> RawAgentYaml:
        paths = [self.instructions_file, self.subagents_dir]
        files = [*(file.path for file in self.config_files), *(file.path for file in self.credential_files)]
        _inside_mounts([*files, *(path for path in paths if path)], self.mounts)
        known = {*PLACEHOLDERS, *(name for values in self.speaks.values() for name in values)}
        known |= {name for file in self.credential_files for name in file.optional}
        _known_placeholders([*self.env.values(), *_texts(self.config_files)], known)
        return self


class RawAgentFile(_Section):
    """Section `agent_file`: what a front end reads about each agent of the image that speaks ACP."""

    path: Annotated[str, _match(r"/[A-Za-z0-9_./-]*\{name\}[A-Za-z0-9_.-]*", "a path with {name} in its last part")]
    content: Template


class RawToolYaml(_Section):
    """A file in `tools/`: a program besides the agent, with a credential of its own."""

    roster_version: Literal[1] = 1
    kind: Literal["tool", "sidecar", "frontend"] = "tool"
    label: Line | None = None
    binary: Segment | None = None
    args: list[Argument] = []
    provider: Segment | None = None
    env: dict[EnvName, Annotated[Line, AfterValidator(check_template)]] = {}
    config_files: list[RawConfigFile] = []
    web: RawWeb | None = None
    agent_file: RawAgentFile | None = None
    install: RawInstall = RawInstall()
    mounts: list[RawMount] = []
    help: Help = RawHelp()

    @model_validator(mode="after")
    def _consistent(self) -> RawToolYaml:
        if self.agent_file is not None:
            _known_placeholders([self.agent_file.content], set(AGENT_FILE_PLACEHOLDERS))
        if any(file.patch is not None or file.credential is not None for file in self.config_files):
            raise ValueError("a tool's config_files have a path and content alone")
        _inside_mounts([file.path for file in self.config_files], self.mounts)
        _known_placeholders([*self.env.values(), *_texts(self.config_files)], set(TOOL_PLACEHOLDERS))
        return self


def _inside_mounts(paths: list[str], mounts: list[RawMount]) -> None:
    roots = tuple(mount.container_path.rstrip("/") + "/" for mount in mounts)
    for path in paths:
        if not path.startswith(roots):
            raise ValueError(f"the file {path} lies in none of the mounts")


def _known_placeholders(texts: list[str], known: set[str]) -> None:
    for text in texts:
        if unknown := placeholders(text) - known:
            raise ValueError(f"unknown placeholder {{{sorted(unknown)[0]}}}; known: {', '.join(sorted(known))}")


def _texts(files: list[RawConfigFile]) -> Iterator[str]:
    waiting: list[Any] = [file.content if file.content is not None else file.patch for file in files]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, dict | list):
            waiting += node.values() if isinstance(node, dict) else node


class RawAuthHeader(_Section):
    """How one credential type is sent; an empty block means a bearer token."""

    header: HeaderName = "Authorization"
    prefix: HeaderText | None = None
    extra_headers: dict[HeaderName, HeaderText] = {}


class RawTokenShape(_Section):
    """Section `token`: the form of the phantom tokens that stand for this provider's credentials."""

    prefix: Annotated[str, _match(r"[A-Za-z0-9._-]{0,32}", "a token prefix")] = "terok-p-"
    length: int = Field(default=32, ge=32, le=256)
    alphabet: Literal["hex", "base62", "base64url"] = "hex"


class RawOAuthRefresh(_Section):
    """Section `oauth_refresh`: how the vault gets a new access token, as which client."""

    token_url: Upstream
    client_id: Argument
    scope: Line | None = None
    client_secret: Line | None = None


class RawProviderYaml(_Section):
    """A file in `providers/`."""

    roster_version: Literal[1] = 1
    label: Line | None = None
    upstream: Upstream | None = None
    auth: dict[CredentialType, RawAuthHeader] = Field(min_length=1)
    serves: dict[Protocol, UrlPath] = {}
    shared_domain: bool = False
    default_model: Model | None = None
    path_upstreams: dict[UrlPath, Upstream] = {}
    token: RawTokenShape = RawTokenShape()
    oauth_refresh: RawOAuthRefresh | None = None
    key_url: Line = ""
    help: Line = ""
