"""OAuth credentials: refreshed once for all processes that share them, and handed out fresh to the proxy.

Whoever holds the lock of the credential reads it again: if it is no longer the stale one, another process was faster. A
vendor gives an answer once, so the vault is written to before it is asked, and storing its answer is tried for a time.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import ssl
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from terok_util import FileLock, LockTimeout, ensure_dir, json_object, register_secret

from terok_sandbox.audit import AuditLog
from terok_sandbox.errors import AuditError
from terok_sandbox.sidecar import VaultWiring
from terok_sandbox.vault.access import Credential, VaultAccess
from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.host_proxy import environment_proxy
from terok_sandbox.vault.passphrase.tiers import read_secret_file
from terok_sandbox.vault.refusal import VaultRefusal
from terok_sandbox.vault.routes import OAuthRefresh
from terok_sandbox.vault.store import CredentialDB, expiry

REQUEST_SECONDS: Final = 15.0
LOCK_SECONDS: Final = 60.0
STORE_SECONDS: Final = 20.0
MAX_ANSWER: Final = 64 * 1024
MAX_LIFETIME: Final = 10 * 365 * 86400


class RefreshError(VaultError):
    """The vendor could not be asked, or did not answer as it should; trying again later may help."""


class SignInNeeded(RefreshError):
    """The vendor refuses the refresh token: only signing in again helps."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Which credential of which vault."""

    db_path: Path
    credential_set: str
    provider: str

    @property
    def lock_path(self) -> Path:
        """The lock under which it is refreshed."""
        name = hashlib.sha256(f"{self.credential_set}/{self.provider}".encode()).hexdigest()[:24]
        return self.db_path.parent / "locks" / f"oauth-{name}.lock"


def refresh(
    subject: Subject, passphrase: str, spec: OAuthRefresh, stale: str, before: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Return the credential with an access token other than `stale`, refreshed here or by another process.

    `before` is called when the vendor is about to be asked; what it raises stops that. Raises SignInNeeded or
    RefreshError, with what is stored unchanged, and VaultError when the vault cannot be read or written.
    """
    ensure_dir(subject.lock_path.parent, 0o700)
    try:
        with FileLock(subject.lock_path, timeout=LOCK_SECONDS), CredentialDB(subject.db_path, passphrase) as database:
            data = database.load_credential(subject.credential_set, subject.provider)
            if data is None:
                raise SignInNeeded(f"there is no credential of {subject.provider} any more")
            if data.get("access_token") != stale:
                return data
            token = data.get("refresh_token")
            if not isinstance(token, str) or not token:
                raise SignInNeeded(f"the credential of {subject.provider} cannot be refreshed")
            database.store_credential(subject.credential_set, subject.provider, data)
            before()
            fresh = data | _ask(spec, token, subject.provider)
            _store(database, subject, fresh)
            return fresh
    except LockTimeout as error:
        raise RefreshError(f"another process is still refreshing the credential of {subject.provider}") from error


def _store(database: CredentialDB, subject: Subject, fresh: dict[str, Any]) -> None:
    """Store what cannot be asked for again: a disk that is full or a vault that is busy may be so for a moment only."""
    deadline = time.monotonic() + STORE_SECONDS
    while True:
        try:
            return database.store_credential(subject.credential_set, subject.provider, fresh)
        except VaultError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def _ask(spec: OAuthRefresh, refresh_token: str, provider: str) -> dict[str, Any]:
    """Ask the token endpoint and return the fields of the credential that change."""
    body = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": spec.client_id}
    body |= {key: value for key in ("scope", "client_secret") if (value := getattr(spec, key))}
    try:
        status, text = _post(spec.token_url, json.dumps(body).encode())
    except OSError as error:
        raise RefreshError(f"the token endpoint of {provider} cannot be reached ({error})") from error
    answer = json_object(text)
    if status in (400, 401, 403):
        code = None if answer is None else answer.get("error")
        words = f": {code}" if isinstance(code, str) and code.isidentifier() and len(code) < 40 else ""
        raise SignInNeeded(f"{provider} refuses to refresh the sign-in (status {status}{words})")
    if status != 200 or answer is None:
        raise RefreshError(f"the token endpoint of {provider} failed (status {status})")
    return _fields(answer, provider)


def _fields(answer: dict[str, Any], provider: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key in ("access_token", "refresh_token", "id_token"):
        value = answer.get(key)
        if isinstance(value, str) and value and value.isascii() and value.isprintable():
            register_secret(value)
            fields[key] = value
    if "access_token" not in fields:
        raise RefreshError(f"the token endpoint of {provider} gave no access token")
    lifetime: Any = answer.get("expires_in")
    usable = type(lifetime) in (int, float) and 0 < lifetime < MAX_LIFETIME
    return {**fields, "expires_at": int(time.time() + lifetime) if usable else None}


def _post(url: str, body: bytes) -> tuple[int, bytes]:
    """Post JSON and return status and body; follows no redirect; raises OSError when there is no answer."""
    # A broker that never refreshes has no use for it, and there is one for each container.
    import httpx

    proxy = environment_proxy(url) if url.startswith("https:") else None
    headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "terok-vault"}
    try:
        client = httpx.Client(
            verify=ssl.create_default_context(), proxy=proxy, trust_env=False, timeout=REQUEST_SECONDS
        )
        with client, client.stream("POST", url, content=body, headers=headers) as response:
            answer = b""
            for piece in response.iter_bytes():
                answer += piece
                if len(answer) > MAX_ANSWER:
                    break
            return response.status_code, answer[:MAX_ANSWER]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise OSError(type(error).__name__) from error


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
        """Remember that the provider answered 401 to `credential`."""
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
            try:
                with closing(AuditLog(self._wiring.audit_path, container=self._container, durable=True)) as log:
                    log.append("oauth-refresh", provider=provider, credential_set=credential_set, verdict="released")
            except AuditError as error:
                raise RefreshError(error.message, hint=error.hint) from error

        subject = Subject(self._wiring.db_path, credential_set, provider)
        return refresh(subject, passphrase, route.oauth_refresh, stale, record)


def _refusal(error: VaultError, provider: str) -> VaultRefusal:
    if isinstance(error, SignInNeeded):
        return VaultRefusal(401, "sign_in_needed", error.message, f"run `terok-executor auth {provider}` on the host")
    if isinstance(error, RefreshError):
        return VaultRefusal(502, "refresh_failed", error.message, error.hint or "the next request tries again")
    return VaultRefusal(503, "vault_unavailable", error.message, error.hint)
