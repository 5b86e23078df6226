"""The proxy's `Credentials`: hands out what is stored, and sees to it that OAuth tokens are fresh."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from terok_sandbox.audit import AuditLog
from terok_sandbox.errors import AuditError
from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.oauth import RefreshError, SignInNeeded, Subject, expiry, refresh
from terok_sandbox.vault.refusal import VaultRefusal
from terok_sandbox.vault.secret_file import read_secret_file

if TYPE_CHECKING:
    from terok_sandbox.sidecar import VaultWiring
    from terok_sandbox.vault.access import Credential, VaultAccess

_log = logging.getLogger(__name__)

EARLY_SECONDS: Final = 600.0
"""A token that lives no longer than this is refreshed before it is used."""
RETRY_SECONDS: Final = 30.0
"""How long a failed refresh is not tried again."""
PATIENCE_SECONDS: Final = 3.0
"""How long a request waits for a refresh when the token that is there can be used."""
REST_SECONDS: Final = 60.0
"""How long a token that has not expired is used after a refresh: a path that always answers 401 must not cause more."""

_Key = tuple[str, str]


class FreshCredentials:
    """Credentials of one broker. Used from one event loop."""

    def __init__(self, access: VaultAccess, wiring: VaultWiring, container: str) -> None:
        self._access = access
        self._wiring = wiring
        self._container = container
        self._running: dict[_Key, asyncio.Task[Credential | VaultRefusal]] = {}
        self._refused: dict[_Key, str] = {}
        """Access token that the provider answered 401 to."""
        self._failed: dict[_Key, tuple[str, float, VaultRefusal]] = {}
        self._rests: dict[_Key, tuple[object, float]] = {}
        """The access token of the last refresh, and until when it is not refreshed again."""

    async def current(self, provider: str, credential_set: str) -> Credential | VaultRefusal | None:
        """Return a credential that is fresh, refreshing it first if it expires soon or was rejected."""
        stored = await self._access.current(provider, credential_set)
        route = self._access.route(provider)
        if stored is None or route is None or route.oauth_refresh is None:
            return stored
        token = stored.data.get("access_token")
        if not isinstance(token, str) or not stored.data.get("refresh_token"):
            return stored
        key = (credential_set, provider)
        expires, now = expiry(stored.data), time.time()
        rejected = self._refused.get(key) == token
        if not rejected and (expires is None or expires - now > EARLY_SECONDS):
            return stored
        given, rests = self._rests.get(key, (None, 0.0))
        if given == token and time.monotonic() < rests and (expires is None or expires > now):
            return stored
        # One that has not expired is used while there is no better one; whether it is still good, the provider says.
        usable = expires > now if expires is not None else not rejected
        failed = self._failed.get(key)
        if failed is not None and failed[0] == token and time.monotonic() < failed[1]:
            return stored if usable else failed[2]
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._refresh(key, token))
            task.add_done_callback(lambda _: self._running.pop(key, None))
        # One client that leaves must not take the refresh away from the others.
        done, _ = await asyncio.wait((task,), timeout=PATIENCE_SECONDS if usable else None)
        if not done:
            return stored
        result = task.result()
        return stored if usable and isinstance(result, VaultRefusal) else result

    def rejected(self, provider: str, credential_set: str, credential: Credential) -> None:
        """Take note that the provider answered 401 to `credential`."""
        token = credential.data.get("access_token")
        if isinstance(token, str):
            self._refused[(credential_set, provider)] = token

    async def _refresh(self, key: _Key, stale: str) -> Credential | VaultRefusal:
        from terok_sandbox.vault.access import credential_of

        credential_set, provider = key
        try:
            data = await asyncio.to_thread(self._refresh_blocking, credential_set, provider, stale)
        except VaultError as error:
            _log.warning("credential of %s in the set %s: %s", provider, credential_set, error.message)
            refusal = _refusal(error, provider)
            self._failed[key] = (stale, time.monotonic() + RETRY_SECONDS, refusal)
            return refusal
        _log.info("the credential of %s in the set %s is fresh", provider, credential_set)
        self._failed.pop(key, None)
        self._rests[key] = (data.get("access_token"), time.monotonic() + REST_SECONDS)
        return credential_of(data)

    def _refresh_blocking(self, credential_set: str, provider: str, stale: str) -> dict[str, object]:
        path, route = self._wiring.passphrase_file, self._access.route(provider)
        passphrase = None if path is None else read_secret_file(path, "the session file")
        if passphrase is None or route is None or route.oauth_refresh is None:
            raise RefreshError("the vault is locked", hint="run `terok-sandbox vault unlock` on the host")

        def record() -> None:
            log = AuditLog(self._wiring.audit_path, container=self._container, durable=True)
            try:
                log.append("oauth-refresh", provider=provider, credential_set=credential_set, verdict="released")
            except AuditError as error:
                raise RefreshError(error.message, hint=error.hint) from error
            finally:
                log.close()

        subject = Subject(self._wiring.db_path, credential_set, provider)
        return refresh(subject, passphrase, route.oauth_refresh, stale, record)


def _refusal(error: VaultError, provider: str) -> VaultRefusal:
    if isinstance(error, SignInNeeded):
        return VaultRefusal(401, "sign_in_needed", error.message, f"run `terok-executor auth {provider}` on the host")
    if isinstance(error, RefreshError):
        return VaultRefusal(502, "refresh_failed", error.message, error.hint or "the next request tries again")
    return VaultRefusal(503, "vault_unavailable", error.message, error.hint)
