"""What an agent makes of a model, a turn limit and a time limit: mapped to its own options as well as it can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from terok_executor.errors import RequestError
from terok_executor.roster.template import placeholders

if TYPE_CHECKING:
    from terok_executor.roster.types import Agent

DEFAULT_KEY = "_default"
DEFAULT_TIMEOUT = 1800


@dataclass(frozen=True, slots=True)
class CLIOverrides:
    """What a command line asked for; None leaves it to the configuration. `timeout` is in seconds."""

    model: str | None = None
    max_turns: int | None = None
    timeout: int | None = None


@dataclass(frozen=True, slots=True)
class AgentRunConfig:
    """What one run uses: options the agent has, text for the prompt where it has none, warnings for the rest."""

    model: str | None
    max_turns: int | None
    timeout: int
    prompt_extra: str = ""
    warnings: tuple[str, ...] = ()


def resolve_provider_value(key: str, config: Mapping[str, Any], provider: str) -> Any:
    """Return a setting for one agent or provider: a flat value, or the entry of a map, else its `_default`.

    An entry of None is an answer too: it switches the default off.
    """
    value = config.get(key)
    if isinstance(value, Mapping):
        return value[provider] if provider in value else value.get(DEFAULT_KEY)
    return value


def apply_config(agent: Agent, config: Mapping[str, Any], overrides: CLIOverrides) -> AgentRunConfig:
    """Map `model`, `max_turns` and `timeout` to one agent; what was asked for wins over `config`.

    A turn limit an agent has no option for becomes guidance in the prompt; such a model becomes a warning.
    Raises RequestError for limits below one.
    """

    def chosen(key: str, override: Any) -> Any:
        return override if override is not None else resolve_provider_value(key, config, agent.name)

    model, turns = chosen("model", overrides.model), chosen("max_turns", overrides.max_turns)
    timeout = chosen("timeout", overrides.timeout)
    timeout = DEFAULT_TIMEOUT if timeout is None else timeout
    for what, value in (("turn limit", turns), ("time-out", timeout)):
        if value is not None and (type(value) is not int or value < 1):
            raise RequestError(f"the {what} has to be a whole number of at least 1, not {value!r}")
    extra, warnings = "", []
    if model is not None and not takes_model(agent):
        warnings.append(f"agent {agent.name} has no option for a model; {model} is not used")
        model = None
    if turns is not None and agent.headless.max_turns_flag is None:
        extra = f"Finish within {turns} turns, and commit what you have before you run out of them."
        warnings.append(f"agent {agent.name} has no option for a turn limit; it is asked for in the prompt")
        turns = None
    return AgentRunConfig(model, turns, timeout, extra, tuple(warnings))


def takes_model(agent: Agent) -> bool:
    """Tell whether the agent can be given a model, by an option or in its configuration."""
    return agent.headless.model_flag is not None or any("model" in placeholders(text) for text in agent.templates)
