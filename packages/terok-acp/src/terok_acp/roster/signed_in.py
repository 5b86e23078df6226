"""Which agents have a credential in the vault."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from terok_acp.integrations.executor import AgentRoster, ExecutorError
from terok_acp.integrations.sandbox import SandboxConfig, open_vault

DEFAULT_SET = "default"


def credential_states(config: SandboxConfig, credential_set: str = DEFAULT_SET) -> dict[str, str]:
    """Return, by provider, a digest of which credential is stored and since when; VaultError if the vault is shut."""
    if not config.db_path.exists():
        return {}
    with open_vault(config) as vault:
        rows = vault.list_credentials(credential_set)
    return {
        row.provider: hashlib.blake2b(
            f"{row.credential_set} {row.kind} {row.updated_at}".encode(), digest_size=8
        ).hexdigest()
        for row in rows
    }


def list_authenticated_agents(
    config: SandboxConfig | None = None, scope: str = DEFAULT_SET, *, roster: AgentRoster | None = None
) -> tuple[str, ...]:
    """Return the agents whose provider has a credential in the set `scope`, sorted; VaultError if the vault is shut."""
    known = roster if roster is not None else AgentRoster.shared()
    return authenticated(known, credential_states(config if config is not None else SandboxConfig(), scope))


def authenticated(roster: AgentRoster, states: Mapping[str, str]) -> tuple[str, ...]:
    """Return the agents of a roster whose provider is among those with a credential."""

    def signed_in(name: str) -> bool:
        try:
            return roster.bind(roster.agents[name]).name in states
        except ExecutorError:
            return False

    return tuple(name for name in sorted(roster.agents) if signed_in(name))
