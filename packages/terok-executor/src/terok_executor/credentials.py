"""Credentials on the host: stored in the vault, and stood in for by phantom tokens."""

from __future__ import annotations

from dataclasses import dataclass

from terok_executor.errors import ExecutorError, RequestError
from terok_executor.integrations.sandbox import SandboxConfig, TokenShape, open_vault, provision_session
from terok_executor.roster.types import Provider

DEFAULT_SET = "default"
MAX_KEY_LENGTH = 4096


class CredentialMissingError(ExecutorError):
    """The vault holds no credential for a provider."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Phantom:
    """A phantom token and the type of the credential it stands for."""

    token: str
    credential_type: str


def store_api_key(config: SandboxConfig, provider: Provider, key: str, credential_set: str = DEFAULT_SET) -> None:
    """Store an API key in the vault, which is made if there is none.

    Raises RequestError for text that cannot be a key, a VaultError of the sandbox if the vault does not open.
    """
    key = key.strip()
    if not key or len(key) > MAX_KEY_LENGTH or not key.isascii() or not key.isprintable() or " " in key:
        raise RequestError(
            f"that is no API key for {provider.label}",
            hint=f"keys are made at {provider.key_url}" if provider.key_url else "give the key on one line",
        )
    provision_session(config)
    with open_vault(config) as database:
        database.store_credential(credential_set, provider.name, {"type": "api_key", "key": key})


def require_credential(config: SandboxConfig, provider: Provider, credential_set: str = DEFAULT_SET) -> str:
    """Return the type of the stored credential; CredentialMissingError (exit 3) if there is none."""
    if not config.db_path.exists():
        raise _missing(provider)
    with open_vault(config) as database:
        credential = database.load_credential(credential_set, provider.name)
    if credential is None:
        raise _missing(provider)
    return str(credential.get("type", "api_key"))


def issue_phantom(
    config: SandboxConfig, provider: Provider, container: str, credential_set: str = DEFAULT_SET
) -> Phantom:
    """Make a phantom token bound to one container and provider; CredentialMissingError if there is no credential."""
    kind = require_credential(config, provider, credential_set)
    shape = TokenShape(provider.token.prefix, provider.token.length, provider.token.alphabet)
    with open_vault(config) as database:
        token = database.create_token(container, provider.name, credential_set, shape=shape)
    return Phantom(token, kind)


def revoke_phantoms(config: SandboxConfig, container: str) -> int:
    """Revoke every phantom token of a container and return how many there were."""
    if not config.db_path.exists():
        return 0
    with open_vault(config) as database:
        return database.revoke_tokens(container)


def _missing(provider: Provider) -> CredentialMissingError:
    return CredentialMissingError(
        f"the vault holds no credential for provider {provider.name}",
        hint=f"store one with `terok-executor auth {provider.name}`",
    )
