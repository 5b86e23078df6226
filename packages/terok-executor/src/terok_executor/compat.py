"""Published names whose form differs from what this package uses itself.

Programs rely on them; `docs/developer/parity.md` says which published names are missing and why. The module is imported
when one of them is first used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import RootModel
from terok_util import yaml

from terok_executor import paths
from terok_executor.auth.authenticator import Authenticator, login_agent
from terok_executor.auth.container import read_credential
from terok_executor.auth.leaks import scan_trees, vault_secrets
from terok_executor.auth.session import AuthSession
from terok_executor.credentials import DEFAULT_SET, store_key
from terok_executor.errors import RosterError
from terok_executor.image.builder import ImageBuilder, ImageSet
from terok_executor.image.reference import DEFAULT_BASE_IMAGE
from terok_executor.image.settings import ImageSettings
from terok_executor.integrations.sandbox import Route, SandboxConfig
from terok_executor.launch.instructions import FRONT_MATTER, instructions_for, read_instructions
from terok_executor.launch.prepared import KrunHost, KrunHostKeypair
from terok_executor.paths import user_roster_dir
from terok_executor.reading import read_text
from terok_executor.roster.provider import Provider
from terok_executor.roster.run_config import AgentRunConfig, resolve_provider_value
from terok_executor.roster.types import Agent, MountSpec
from terok_executor.runner.agent_roster import AgentRoster

MAX_AGENT_BYTES = 256 * 1024
INSTRUCTIONS_FILE = "instructions.md"

# Names that only were renamed.
AgentProvider = HeadlessProvider = Agent
ProviderConfig = AgentRunConfig
MountDef = MountSpec
VaultRoute = CredentialProxyRoute = Route
RawImageSection = ImageSettings
resolve_agent_value = resolve_provider_value


class RawAgentYaml(RootModel[Agent]):
    """Checks the mapping of an agent's file: `RawAgentYaml.model_validate(mapping).root` is the agent."""


@dataclass(frozen=True, slots=True)
class AuthProvider:
    """How one provider is signed in to: `modes` are `oauth` and `api_key`, the rest is of the sign-in's container."""

    name: str
    label: str
    host_dir_name: str = ""
    container_mount: str = ""
    command: tuple[str, ...] = ()
    banner_hint: str = ""
    extra_run_args: tuple[str, ...] = ()
    modes: tuple[str, ...] = ("api_key",)
    api_key_hint: str = ""


@dataclass(frozen=True, slots=True)
class SidecarSpec:
    """A tool in a container of its own; `env_map` is variable to the stored value that it holds there."""

    tool_name: str
    env_map: Mapping[str, str]


get_roster = AgentRoster.shared
load_roster = AgentRoster.load


def get_agent(name: str | None = None, *, default_agent: str | None = None) -> Agent:
    """Return the agent called `name`, else the project's default, else the one of `default-agent`; or RosterError."""
    return get_roster().agent(name or default_agent or paths.default_agent())


get_provider = get_agent


def load_auth_providers(roster: AgentRoster | None = None) -> dict[str, AuthProvider]:
    """Return every provider that a credential can be stored for, as the files say now."""
    # Read anew on purpose: a person may have added a provider since the program was started.
    known = roster or AgentRoster.load()
    return {name: _auth_provider(known, provider) for name, provider in known.auth_providers.items()}


def credential_provider(name: str) -> str:
    """Return the name of the provider whose credential `name`, a provider, agent or tool, stands for."""
    return get_roster().credential_provider(name).name


def ensure_proxy_routes(config: SandboxConfig | None = None) -> Path:
    """Write the vault's route file if it is not what the roster says; return where it is."""
    settings = config or SandboxConfig.load()
    AgentRoster.load().ensure_vault_routes(settings)
    return settings.routes_path


def collect_all_auto_approve_env() -> dict[str, str]:
    """Return the variables that make every agent act without asking; RosterError if two agents disagree."""
    return get_roster().collect_all_auto_approve_env()


def collect_opencode_provider_env() -> dict[str, str]:
    """Return `TEROK_OC_<NAME>_*` of every OpenAI-compatible provider."""
    return get_roster().collect_opencode_provider_env()


def providers_config_dir() -> Path:
    """Return the directory of the user's provider files."""
    return user_roster_dir("providers")


def sidecar_specs() -> dict[str, SidecarSpec]:
    """Return the tools that run in a container of their own, with the variables that get their real key."""
    return {
        name: SidecarSpec(name, {key: "key" for key, template in tool.env.items() if "{token}" in template})
        for name, tool in get_roster().sidecars.items()
    }


def store_api_key(
    provider: str | Provider, key: str, credential_set: str = DEFAULT_SET, *, config: SandboxConfig | None = None
) -> None:
    """Store an API key in the vault, which is created if necessary; nobody is asked.

    `provider` is one, or the name of one or of an agent, whose route is written too. RequestError for text that cannot
    be a key, VaultError of the sandbox if the vault does not open.
    """
    if isinstance(provider, str):
        Authenticator(provider, credential_set=credential_set, config=config).store_key(key)
    else:
        store_key(config or SandboxConfig.load(), provider, key, credential_set)


def prepare_oauth_session(
    project_id: str | None,
    provider: str,
    *,
    mounts_dir: Path | None = None,
    image: str | None = None,
    credential_set: str = DEFAULT_SET,
    device_auth: bool = False,
) -> AuthSession:
    """Return a sign-in to be driven, see `Authenticator.session`; RequestError if the provider has none."""
    authenticator = Authenticator(provider, credential_set=credential_set, image=image)
    return authenticator.session("device" if device_auth else "oauth", label=project_id or "", mounts_dir=mounts_dir)


def extract_credential(provider: str, base_dir: str | Path) -> dict[str, Any]:
    """Return the credential that an agent's own sign-in has left in `base_dir`, where its directory is mounted from.

    `provider` is a provider or an agent. An agent with several directories has each below `base_dir`, by its name on
    the host. RosterError if no agent signs in to the provider, LoginError without a credential file,
    CredentialShapeError if that is not as the roster says.
    """
    agent = _login_agent(get_roster(), provider)
    base, several = Path(base_dir), len(agent.mounts) > 1
    places = {one.container_path: base / one.host_dir if several else base for one in agent.mounts}
    return read_credential(agent, places)


def scan_leaked_credentials(mounts_base: str | Path, *, config: SandboxConfig | None = None) -> list[tuple[str, Path]]:
    """Return provider and path of every file below a directory that holds a secret of the vault."""
    secrets = vault_secrets(config or SandboxConfig.load())
    return list(dict.fromkeys((leak.provider, Path(leak.path)) for leak in scan_trees(secrets, [Path(mounts_base)])))


def parse_md_agent(path: str | Path) -> dict[str, Any]:
    """Return the front matter of a sub-agent's file, and the text below it as `prompt`.

    A missing file is an empty mapping; without front matter the whole text is the prompt. YAMLError if that cannot be
    parsed, RequestError if the file cannot be read.
    """
    file = Path(path)
    if not file.exists():
        return {}
    text = read_text(file, MAX_AGENT_BYTES)
    match = FRONT_MATTER.match(text)
    fields = yaml.plain(yaml.load(match[1], name=str(file))) if match else None
    if match is None or not isinstance(fields, dict):
        return {"prompt": text}
    return {**fields, "prompt": text[match.end() :]}


def resolve_instructions(config: Mapping[str, Any], provider: str, project_root: str | Path | None = None) -> str:
    """Return the instructions of one agent: the setting `instructions`, then the project's `instructions.md`.

    `config` is a project's configuration; see `terok_executor.launch.instructions.instructions_for` for its values.
    """
    file = Path(project_root) / INSTRUCTIONS_FILE if project_root is not None else None
    appended = read_instructions(file) if file is not None and file.is_file() else ""
    return instructions_for(config.get("instructions"), provider, appended=appended)


def build_base_images(
    base_image: str = DEFAULT_BASE_IMAGE,
    family: str | None = None,
    *,
    agents: str | Iterable[str] = "all",
    rebuild: bool = False,
    full_rebuild: bool = False,
    build_dir: Path | None = None,
) -> ImageSet:
    """Build the images of a base and return their tags, see `ImageBuilder.build_base`."""
    builder = ImageBuilder(base_image, family)
    return builder.build_base(agents, rebuild=rebuild, full_rebuild=full_rebuild, build_dir=build_dir)


def build_sidecar_image(
    base_image: str = DEFAULT_BASE_IMAGE,
    family: str | None = None,
    *,
    tool_name: str | None = None,
    rebuild: bool = False,
) -> str:
    """Build the image of a sidecar tool, by default the roster's first, and return its tag."""
    return ImageBuilder(base_image, family).build_sidecar(tool_name, rebuild=rebuild)


def l0_image_tag(base_image: str = DEFAULT_BASE_IMAGE) -> str:
    """Return the tag of the tools image of a base."""
    return ImageBuilder(base_image).l0_tag()


def l1_image_tag(base_image: str = DEFAULT_BASE_IMAGE, agents: Iterable[str] | None = None) -> str:
    """Return the tag of the image of a base with these agents, by default all."""
    return ImageBuilder(base_image).l1_tag(agents)


def l1_sidecar_image_tag(base_image: str = DEFAULT_BASE_IMAGE, tool_name: str | None = None) -> str:
    """Return the tag of the image of a base with a sidecar tool alone."""
    return ImageBuilder(base_image).l1_sidecar_tag(tool_name)


def ensure_krun_host_keypair(container: str, config: SandboxConfig | None = None) -> KrunHostKeypair:
    """Return the keys of one container's guest, made when first asked for."""
    return KrunHost(container, config or SandboxConfig.load()).keypair


def _login_agent(roster: AgentRoster, name: str) -> Agent:
    agents = [roster.agents[name]] if name in roster.agents else list(roster.agents.values())
    provider = roster.credential_provider(name).name
    fitting = (one for one in agents if one.credential_files and one.provider.default == provider)
    if (agent := next(fitting, None)) is None:
        raise RosterError(f"no agent signs in to {name}", hint="store an API key with `terok-executor auth`")
    return agent


def _auth_provider(roster: AgentRoster, provider: Provider) -> AuthProvider:
    keys = ("api_key",) if "api_key" in provider.auth else ()
    known = AuthProvider(provider.name, provider.label, modes=keys, api_key_hint=provider.key_url)
    agent = login_agent(roster, "", provider)
    if agent is None or agent.login is None:
        return known
    command, paste = next(iter(agent.login.methods.values())), agent.login.paste
    known = replace(known, command=command, banner_hint=paste, modes=("oauth", *keys))
    for mount in agent.mounts[:1]:
        known = replace(known, host_dir_name=mount.host_dir, container_mount=mount.container_path)
    return known


_TABLES = ("AGENTS", "AGENT_PROVIDERS", "HEADLESS_PROVIDERS", "AGENT_NAMES", "PROVIDER_NAMES", "AUTH_PROVIDERS")
if TYPE_CHECKING:
    AGENTS: Mapping[str, Agent]
    AGENT_PROVIDERS: Mapping[str, Agent]
    HEADLESS_PROVIDERS: Mapping[str, Agent]
    AGENT_NAMES: tuple[str, ...]
    PROVIDER_NAMES: tuple[str, ...]
    AUTH_PROVIDERS: Mapping[str, AuthProvider]


def __getattr__(name: str) -> Any:
    """Return a table of the roster, which is read when the first of them is used."""
    if name not in _TABLES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    agents = get_roster().agents
    tables = (agents, agents, agents, tuple(agents), tuple(agents), load_auth_providers(get_roster()))
    globals().update(zip(_TABLES, tables, strict=True))
    return globals()[name]
