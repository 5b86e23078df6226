"""Credentials on the host: stored in the vault, and stood in for by phantom tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from terok_util import lean_dataclass, register_secret

from terok_executor.errors import ExecutorError, RequestError
from terok_executor.integrations.sandbox import (
    BadCredential,
    SandboxConfig,
    TokenShape,
    check_key,
    open_vault,
    provision_session,
)
from terok_executor.roster.provider import Provider

DEFAULT_SET = "default"
MAX_KEY_LENGTH = 4096
SECRET_FIELDS = frozenset({"key", "token", "access_token", "refresh_token", "id_token", "client_secret"})
"""Names of stored values that must never leave the vault."""


class CredentialMissingError(ExecutorError):
    """The vault holds no credential for a provider."""

    exit_code = 3


@lean_dataclass(frozen=True, slots=True)
class Phantom:
    """A phantom token, the type of the credential it stands for, and the parts of it that are not secret."""

    token: str
    credential_type: str
    known: Mapping[str, Any] = field(default_factory=dict)


def store_key(config: SandboxConfig, provider: Provider, key: str, credential_set: str = DEFAULT_SET) -> None:
    """Store an API key in the vault, which is created if necessary.

    Raises RequestError for text that cannot be a key, a VaultError of the sandbox if the vault does not open.
    """
    key = key.strip()
    provision_session(config)
    with open_vault(config) as database:
        try:
            check_key(key, config, database)
        except BadCredential as error:
            page = f"keys are made at {provider.key_url}" if provider.key_url else error.hint
            raise RequestError(f"no key for {provider.label}: {error.message}", hint=page) from error
        register_secret(key)
        database.store_credential(credential_set, provider.name, {"type": "api_key", "key": key})


def store_credential(
    config: SandboxConfig, provider: Provider, credential: Mapping[str, Any], credential_set: str = DEFAULT_SET
) -> None:
    """Store a credential in the vault, which is created if necessary, in place of the one of the same set."""
    provision_session(config)
    with open_vault(config) as database:
        database.store_credential(credential_set, provider.name, credential)


def public_part(credential: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a stored credential that a container may know: not the secrets and their expiry."""
    return {name: value for name, value in credential.items() if name not in SECRET_FIELDS | {"expires_at"}}


def require_credential(config: SandboxConfig, provider: Provider, credential_set: str = DEFAULT_SET) -> str:
    """Return the type of the stored credential; CredentialMissingError (exit 3) if there is none."""
    return _kind(_load(config, provider, credential_set))


def issue_phantom(
    config: SandboxConfig, provider: Provider, container: str, credential_set: str = DEFAULT_SET
) -> Phantom:
    """Make a phantom token bound to one container and provider; CredentialMissingError if there is no credential."""
    credential = _load(config, provider, credential_set)
    shape = TokenShape(provider.token.prefix, provider.token.length, provider.token.alphabet)
    with open_vault(config) as database:
        token = database.create_token(container, provider.name, credential_set, shape=shape)
    return Phantom(token, _kind(credential), public_part(credential))


def credential_set_of(config: SandboxConfig, container: str) -> str:
    """Return the credential set that a container was given; the default one if it has no token."""
    if not config.db_path.exists():
        return DEFAULT_SET
    with open_vault(config) as database:
        return next((row.credential_set for row in database.list_tokens(container)), DEFAULT_SET)


def revoke_phantoms(config: SandboxConfig, container: str) -> int:
    """Revoke every phantom token of a container and return how many there were."""
    if not config.db_path.exists():
        return 0
    with open_vault(config) as database:
        return database.revoke_tokens(container)


def remove_credential(config: SandboxConfig, provider: str, credential_set: str = DEFAULT_SET) -> bool:
    """Remove a credential; False if there was none. Phantom tokens for it stop working with the next request."""
    if not config.db_path.exists():
        return False
    with open_vault(config, interactive=True) as database:
        return database.delete_credential(credential_set, provider)


def _load(config: SandboxConfig, provider: Provider, credential_set: str) -> dict[str, Any]:
    credential = None
    if config.db_path.exists():
        with open_vault(config) as database:
            credential = database.load_credential(credential_set, provider.name)
    if credential is None:
        other = "" if credential_set == DEFAULT_SET else f" --credential-set {credential_set}"
        raise CredentialMissingError(
            f"the vault holds no credential for provider {provider.name}{other and f' in the set {credential_set}'}",
            hint=f"store one with `terok-executor auth {provider.name}{other}`",
        )
    return credential


def _kind(credential: Mapping[str, Any]) -> str:
    return str(credential.get("type", "api_key"))
