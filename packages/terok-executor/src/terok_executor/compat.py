"""Published names that stand for something else here, or have another form. Imported when one of them is first used."""

from __future__ import annotations

from pydantic import RootModel

from terok_executor.integrations.sandbox import Route
from terok_executor.roster.provider import Provider
from terok_executor.roster.run_config import AgentRunConfig
from terok_executor.roster.types import Agent, MountSpec, Tool

AgentProvider = Agent
AuthProvider = Provider
MountDef = MountSpec
ProviderConfig = AgentRunConfig
SidecarSpec = Tool
VaultRoute = Route


class RawAgentYaml(RootModel[Agent]):
    """Checks the mapping of an agent's file: `RawAgentYaml.model_validate(mapping).root` is the agent."""
