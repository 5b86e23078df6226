"""The roster: every agent and provider, and which agent can talk to which provider."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import cache
from typing import TYPE_CHECKING, Self, TypeVar

from terok_util import did_you_mean, lean_dataclass

from terok_executor.errors import RosterError
from terok_executor.paths import user_roster_dir
from terok_executor.roster.provider import Provider
from terok_executor.roster.types import Agent, HelpSpec, Installed, MountSpec, Tool

if TYPE_CHECKING:
    from terok_executor.integrations.sandbox import Route, SandboxConfig

ALL = "all"
Entry = TypeVar("Entry")


@lean_dataclass(frozen=True, slots=True)
class AgentRoster:
    """A snapshot of all agents, providers and tools."""

    agents: Mapping[str, Agent]
    providers: Mapping[str, Provider]
    tools: Mapping[str, Tool] = field(default_factory=dict)

    @classmethod
    def load(cls) -> Self:
        """Read the bundled files and the user's files over them; RosterError if one is wrong."""
        from terok_executor.roster.loader import load_agents, load_providers, load_tools

        roster = cls(load_agents(), load_providers(), load_tools())
        for name in roster.tools:
            if name in roster.agents:
                raise RosterError(f"agent and tool share the name {name}", hint="rename your own file")
        return roster

    @classmethod
    @cache
    def shared(cls) -> Self:
        """Return the roster as this process first read it; RosterError if a file is wrong."""
        return cls.load()

    def ensure_vault_routes(self, config: SandboxConfig) -> bool:
        """Write the vault's route file if it is not what this roster says; return whether it was written."""
        from terok_executor.roster.routes import write_routes

        return write_routes(config.routes_path, self.providers)

    def generate_routes_json(self) -> str:
        """Return the content of the vault's route file."""
        from terok_executor.roster.routes import routes_text

        return routes_text(self.providers)

    @property
    def vault_routes(self) -> dict[str, Route]:
        """The routes as the vault understands them, by provider."""
        from terok_executor.integrations.sandbox import parse_routes

        return parse_routes(self.generate_routes_json().encode())

    def collect_all_auto_approve_env(self) -> dict[str, str]:
        """Return the variables that make every agent act without asking; RosterError if two agents disagree."""
        found: dict[str, str] = {}
        for agent in self.agents.values():
            for name, value in agent.auto_approve.env.items():
                if found.setdefault(name, value) != value:
                    raise RosterError(f"agent {agent.name} sets {name} differently from another", hint="rename one")
        return found

    def collect_opencode_provider_env(self) -> dict[str, str]:
        """Return `TEROK_OC_<NAME>_*` of every OpenAI-compatible provider: its label, address and default model.

        The address is the provider's own; a container reaches it through the vault.
        """
        found: dict[str, str] = {}
        for name, provider in self.providers.items():
            if provider.upstream is not None and (path := provider.serves.get("openai-chat")) is not None:
                start = f"TEROK_OC_{re.sub(r'[^A-Z0-9]', '_', name.upper())}_"
                found |= {start + "DISPLAY_NAME": provider.label, start + "BASE_URL": provider.upstream + path}
                found |= {start + "PREFERRED_MODEL": provider.default_model} if provider.default_model else {}
        return found

    @property
    def auth_providers(self) -> dict[str, Provider]:
        """The providers that a credential can be stored for."""
        return {name: one for name, one in self.providers.items() if one.upstream is not None}

    @property
    def sidecars(self) -> dict[str, Tool]:
        """The tools that run in a container of their own."""
        return {name: tool for name, tool in self.tools.items() if tool.kind == "sidecar"}

    @property
    def helps(self) -> dict[str, HelpSpec]:
        """The line about each agent and tool in the banner of an image."""
        return {name: one.help for name, one in self.installs.items()}

    @property
    def mounts(self) -> tuple[MountSpec, ...]:
        """Every kind of directory that agents and tools keep their state in, once."""
        found = {mount.host_dir: mount for one in self.installs.values() for mount in one.mounts}
        return tuple(found.values())

    @property
    def installs(self) -> dict[str, Installed]:
        """Everything an image can hold, by name."""
        return {**self.agents, **self.tools}

    def select(self, selection: str) -> list[Installed]:
        """Return what a selection (`all`, `a,b`, `all,-x`) stands for; RosterError as `parse_selection`."""
        return [self.installs[name] for name in parse_selection(selection, self.agents, extra=self.tools)]

    def agent(self, name: str) -> Agent:
        """Return the agent called `name`; RosterError if there is none."""
        return _known("agent", name, self.agents, "see `terok-executor agents list`")

    def provider(self, name: str) -> Provider:
        """Return the provider called `name`; RosterError if there is none."""
        return _known("provider", name, self.providers, "see `terok-executor agents list --all`")

    def tool(self, name: str, *, kind: str = "tool") -> Tool:
        """Return the tool called `name`; RosterError if there is none of this kind."""
        tools = {key: tool for key, tool in self.tools.items() if tool.kind == kind}
        return _known(kind, name, tools, "see `terok-executor agents list --all`")

    def bind(self, agent: Agent, provider_name: str | None = None) -> Provider:
        """Return the provider the agent is to talk to: the named one, or the agent's default.

        Raises RosterError if the provider does not speak the agent's protocol or has no upstream.
        """
        provider = self.provider(provider_name or agent.provider.default)
        if agent.protocol_for(provider) is None:
            fitting = ", ".join(name for name, item in self.providers.items() if agent.protocol_for(item))
            raise RosterError(
                f"agent {agent.name} speaks {', '.join(agent.speaks)}, which provider {provider.name} does not serve",
                hint=f"providers that do: {fitting or 'none'}",
            )
        if provider.upstream is None:
            hint = f"write `upstream: URL` to {user_roster_dir('providers') / (provider.name + '.yaml')}"
            raise RosterError(f"provider {provider.name} has no upstream", hint=hint)
        return provider

    def credential_provider(self, name: str) -> Provider:
        """Return the provider whose credential `name` stands for: a provider, or the provider of an agent or tool."""
        if name in self.providers:
            return self.providers[name]
        if name in self.agents:
            return self.provider(self.agents[name].provider.default)
        if name in self.tools and (bound := self.tools[name].provider) is not None:
            return self.provider(bound)
        hint = _suggestion(name, {**self.installs, **self.providers}, "see `terok-executor agents list --all`")
        raise RosterError(f"neither a provider nor an agent: {name!r}", hint=hint)


def parse_selection(text: str, known: Iterable[str], extra: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the names a selection stands for, sorted; RosterError for an unknown name or an empty outcome.

    `extra` names may be chosen too, but are not part of `all`.
    """
    names, more = frozenset(known), frozenset(extra)
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    excluded = {word[1:] for word in words if word.startswith("-")}
    included = {word for word in words if not word.startswith("-")}
    for unknown in sorted((excluded | included) - names - more - {ALL}):
        hint = f"known: all, {', '.join(sorted(names | more))}"
        raise RosterError(f"unknown agent in the selection: {unknown[:40]!r}", hint=hint)
    wished = frozenset(included) - {ALL}
    chosen = names | wished if ALL in included or not included else wished
    left = tuple(sorted(chosen - excluded))
    if not left or ALL in excluded:
        raise RosterError(f"the selection {text[:80]!r} leaves no agent", hint="for example: all,-demo")
    return left


def about(one: Installed | Provider) -> str:
    """Return one line about an agent, tool or provider."""
    text = one.help if isinstance(one.help, str) else one.help.text
    return f"{one.label}: {text}" if text else one.label


def _known(kind: str, name: str, known: Mapping[str, Entry], otherwise: str) -> Entry:
    if name not in known:
        raise RosterError(f"unknown {kind}: {name!r}", hint=_suggestion(name, known, otherwise))
    return known[name]


def _suggestion(name: str, known: Mapping[str, object], otherwise: str) -> str:
    return did_you_mean(name, known, f"known: {', '.join(sorted(known))}; {otherwise}")
