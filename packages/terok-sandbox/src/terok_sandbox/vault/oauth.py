"""Refreshing an OAuth credential, once for all processes that share it.

Whoever holds the lock of the credential reads it again: if it is no longer the stale one, another process was faster.
Otherwise it asks the vendor, stores the answer, and only then lets anybody use it. A vendor gives an answer once, so
the vault is written to before it is asked, and storing what it says is tried for STORE_SECONDS. Blocking; call it in a
thread.
"""

from __future__ import annotations

import hashlib
import json
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from terok_util import FileLock, LockTimeout, ensure_dir, register_secret

from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.host_proxy import environment_proxy
from terok_sandbox.vault.store import CredentialDB

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from terok_sandbox.vault.routes import OAuthRefresh

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


def expiry(data: Mapping[str, Any]) -> float | None:
    """Return when an access token expires (seconds since the epoch), None if it does not say."""
    value = data.get("expires_at")
    if type(value) not in (int, float) or not value or value < 0:
        return None
    # Vendors' own files count in milliseconds.
    return float(value) / 1000 if value > 1e11 else float(value)


def refresh(
    subject: Subject, passphrase: str, spec: OAuthRefresh, stale: str, before: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Return the credential with an access token other than `stale`, refreshed here or by another process.

    `before` is called when the vendor is about to be asked; what it raises stops that.

    Raises:
        SignInNeeded, RefreshError: as they say; what is stored has not changed.
        VaultError: the vault cannot be read or written, or the lock was held for too long.

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
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        answer = None
    if status in (400, 401, 403):
        code = answer.get("error") if isinstance(answer, dict) else None
        words = f": {code}" if isinstance(code, str) and code.isidentifier() and len(code) < 40 else ""
        raise SignInNeeded(f"{provider} refuses to refresh the sign-in (status {status}{words})")
    if status != 200 or not isinstance(answer, dict):
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
    lifetime = answer.get("expires_in")
    if isinstance(lifetime, int | float) and not isinstance(lifetime, bool) and 0 < lifetime < MAX_LIFETIME:
        fields["expires_at"] = int(time.time() + lifetime)
    else:
        fields["expires_at"] = None
    return fields


def _post(url: str, body: bytes) -> tuple[int, bytes]:
    """Post JSON and return status and body; follows no redirect. https goes through the environment's HTTP proxy.

    Raises:
        OSError: the endpoint cannot be reached, or does not speak HTTP.

    """
    # A broker that never refreshes has no use for it, and there is one for each container.
    import httpx

    proxy = environment_proxy(url) if url.startswith("https:") else None
    headers = {"Content-Type": "application/json", "Accept": "application/json", "User-SshAgent": "terok-vault"}
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
