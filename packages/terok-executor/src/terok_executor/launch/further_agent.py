"""An agent beside a running container's own: its variables, files and phantom token."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from terok_executor.credentials import credential_set_of, issue_phantom
from terok_executor.integrations.sandbox import Sandbox
from terok_executor.launch.env import agent_files, agent_patches, agent_variables, phantom_values, template_values
from terok_executor.launch.identity import check_authorship
from terok_executor.launch.instructions import bundled_default_instructions
from terok_executor.launch.task_files import patched
from terok_executor.roster.roster import AgentRoster
from terok_executor.roster.types import Agent


@dataclass(frozen=True, slots=True)
class Equipment:
    """Variables of an agent (None: to be unset), and its files by their path in the container."""

    env: Mapping[str, str | None]
    files: Mapping[str, str]


def further_agent(sandbox: Sandbox, roster: AgentRoster, container: str, name: str) -> Equipment:
    """Make a phantom token for the agent's own provider, bound to the container, and return what goes with it.

    The credential is of the set that the container was launched with. RosterError for an unknown agent,
    CredentialMissingError (exit 3) without a credential, RequestError if the agent cannot use it or needs a model that
    its provider does not name, EngineError if Podman does not say how the container was made.
    """
    agent = roster.agent(name)
    provider = roster.bind(agent)
    template_values(agent, provider, None)  # a refusal leaves no token behind
    made_with = sandbox.runtime.container(container).env
    roster.ensure_vault_routes(sandbox.config)
    phantom = issue_phantom(sandbox.config, provider, container, credential_set_of(sandbox.config, container))
    values = phantom_values(agent, provider, None, phantom)
    people = (made_with.get(word) for word in ("TEROK_GIT_AUTHORSHIP", "HUMAN_GIT_NAME", "HUMAN_GIT_EMAIL"))
    unrestricted = made_with.get("TEROK_UNRESTRICTED") == "1"
    env = agent_variables(agent, values, phantom, check_authorship(*people), unrestricted=unrestricted)
    others = dict.fromkeys(_variables_of(roster.agents.get(made_with.get("TEROK_AGENT", ""))), None)
    files = agent_files(agent, provider, values, phantom)
    # Its changes are made to files of this host, or to none: what it would change is not there yet.
    with tempfile.TemporaryDirectory(prefix="terok-equip-") as nowhere:
        changes = agent_patches(agent, values, phantom.credential_type, Path(nowhere))
        files |= {path: patched(patch) for path, patch in changes.items()}
    if agent.instructions_file is not None:
        files[agent.instructions_file] = bundled_default_instructions()
    return Equipment({**others, **env}, files)


def _variables_of(agent: Agent | None) -> set[str]:
    """Return the variables that an agent has for itself: another one that sees them offers what it cannot reach."""
    if agent is None:
        return set()
    own = {*agent.env, *agent.auto_approve.env, *agent.provider.token_env.values()}
    return own | ({agent.provider.base_url_env} if agent.provider.base_url_env else set())
