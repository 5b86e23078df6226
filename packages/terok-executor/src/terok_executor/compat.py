"""Published names that stand for something else here, or have another form. Imported when one of them is first used."""

from __future__ import annotations

from pydantic import RootModel

from terok_executor.roster.types import Agent


class RawAgentYaml(RootModel[Agent]):
    """Checks the mapping of an agent's file: `RawAgentYaml.model_validate(mapping).root` is the agent."""
