"""The credentials in the vault and how long they last, without their secrets."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from terok_util import lean_dataclass

from terok_executor.integrations.sandbox import SandboxConfig, expiry, open_vault
from terok_executor.roster.provider import Provider

CredentialState = Literal["valid", "refreshes", "expired", "unroutable", "missing"]


@lean_dataclass(frozen=True, slots=True)
class CredentialStatus:
    """One stored credential. Times are RFC 3339, UTC; `expires_at` is None if the credential does not say.

    `valid`       works as far as is known
    `refreshes`   has expired or will; the vault gets a new access token when it is used
    `expired`     has expired, and nothing can refresh it
    `unroutable`  stored for a provider that the roster does not have, or that has no upstream
    `missing`     nothing is stored for this provider
    """

    provider: str
    credential_set: str
    type: str
    state: CredentialState
    stored_at: str | None = None
    expires_at: str | None = None
    account: str | None = None


def credential_status(config: SandboxConfig, providers: Mapping[str, Provider]) -> list[CredentialStatus]:
    """Return every stored credential; a VaultError if the vault does not open."""
    if not config.db_path.exists():
        return []
    now = time.time()
    found = []
    with open_vault(config, interactive=True) as database:
        for row in database.list_credentials():
            credential = database.load_credential(row.credential_set, row.provider) or {}
            provider = providers.get(row.provider)
            found.append(
                judge(row.credential_set, row.provider, credential, provider, stored_at=row.updated_at, now=now)
            )
    return found


def judge(
    credential_set: str,
    name: str,
    credential: Mapping[str, Any],
    provider: Provider | None,
    *,
    stored_at: str | None,
    now: float,
) -> CredentialStatus:
    """Return the status of one credential at a time (seconds since the epoch)."""
    expires = expiry(credential)
    state: CredentialState = "valid"
    if provider is None or provider.upstream is None:
        state = "unroutable"
    elif expires is not None and provider.oauth_refresh is not None and credential.get("refresh_token"):
        state = "refreshes"
    elif expires is not None and expires <= now:
        state = "expired"
    return CredentialStatus(
        provider=name,
        credential_set=credential_set,
        type=str(credential.get("type", "api_key")),
        state=state,
        stored_at=stored_at,
        expires_at=None if expires is None else datetime.fromtimestamp(expires, UTC).isoformat(timespec="seconds"),
        account=_account(credential),
    )


def _account(credential: Mapping[str, Any]) -> str | None:
    email = credential.get("email")
    if not email and credential.get("id_token"):
        from terok_executor.auth.credential_files import claims  # few credentials have one

        email = (claims(str(credential["id_token"])) or {}).get("email")
    return email if isinstance(email, str) and email else None
