"""The broker's view of vault and routes: opened once, cached, and always current.

What is cached is dropped as soon as another process commits to the database (its log changes, and `PRAGMA data_version`
says so), the routes file changes, or the session file goes away: at the latest FRESH_SECONDS after the change.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from terok_sandbox.errors import ShieldError
from terok_sandbox.sidecar import VaultWiring
from terok_sandbox.values.posture import read_posture
from terok_sandbox.vault.errors import RoutesError, VaultBusy, VaultError, VaultLocked
from terok_sandbox.vault.passphrase.session import read_session
from terok_sandbox.vault.refusal import VaultRefusal
from terok_sandbox.vault.routes import PLACES, Route, load_routes
from terok_sandbox.vault.scrub import MAX_SECRET, Patterns
from terok_sandbox.vault.store import Billing, CredentialDB, TokenRow
from terok_sandbox.vault.swap import Screened, UpstreamRequest
from terok_sandbox.vault.tokens import token_digest

_log = logging.getLogger(__name__)

RETRY_SECONDS: Final = 1.0
"""How long a failed opening is remembered, so that requests to a locked vault stay cheap."""
FRESH_SECONDS: Final = 0.001
"""How long the last look at database, routes and session file holds: a burst of requests shares one."""
SETTLED_NS: Final = 3_000_000_000
"""Age of a file from which on another change shows in its time, however coarse the file system's clock is."""
MAX_CACHED: Final = 4096
MAX_GRANTS: Final = 64


Stamp = tuple[int, int, int]

_LIFT = "a person ends it with `terok-sandbox shield up NAME`"
_REFUSED = VaultRefusal(403, "quarantined", "the container is in quarantine", _LIFT)


class Quarantine:
    """Whether the container, whose shield keeps its posture at `path`, is in quarantine: then nothing is answered."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._stamp: Stamp | None = None
        self._refusal: VaultRefusal | None = None

    def refusal(self) -> VaultRefusal | None:
        """Return the refusal of every request, or None; a damaged file counts as a quarantine."""
        if self._path is None:
            return None
        if (stamp := stamp_of(str(self._path))) != self._stamp:
            self._stamp = stamp
            try:
                self._refusal = _REFUSED if read_posture(self._path)[0] == "quarantine" else None
            except ShieldError as error:
                self._refusal = VaultRefusal(403, "quarantined", error.message, error.hint)
        return self._refusal


def stamp_of(path: str | None) -> Stamp | None:
    """Return a fingerprint (mtime, inode, size) of the file; None if it does not exist."""
    if path is None:
        return None
    try:
        status = os.stat(path)  # noqa: PTH116 - for each request, and pathlib triples its cost
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


@dataclass(frozen=True, slots=True)
class Credential:
    """A stored credential and the patterns that recognize its secrets in responses."""

    data: Mapping[str, Any]
    patterns: Patterns


def credential_of(data: Mapping[str, Any]) -> Credential:
    """Return a stored object as a credential."""
    return Credential(data, Patterns(secrets_of(data)))


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """A request that may go out."""

    screened: Screened
    request: UpstreamRequest
    presented: str
    token: TokenRow
    route: Route
    credential: Credential
    patterns: Patterns
    """The secrets that the answer is searched for."""
    billing: Billing = "metered"


class VaultAccess:
    """Tokens, credentials and routes for one broker, and none in a `quarantine`. Used from one event loop."""

    def __init__(self, wiring: VaultWiring, quarantine: Quarantine | None = None) -> None:
        self._quarantine = quarantine or Quarantine()
        self._wiring = wiring
        self._session_path = None if wiring.passphrase_file is None else str(wiring.passphrase_file)
        self._routes_path = str(wiring.routes_path)
        self._db: CredentialDB | None = None
        self._opening = asyncio.Lock()
        self._failed: tuple[float, VaultRefusal] | None = None
        self._session_stamp: Stamp | None = None
        self._version = -1
        self._log_path = f"{wiring.db_path}-wal"
        self._log_stamp: Stamp | None = None
        self._fresh_until = 0.0
        self._tokens: dict[bytes, TokenRow | None] = {}
        self._credentials: dict[tuple[str, str], Credential | None] = {}
        self._billings: dict[tuple[str, str], Billing] = {}
        self._within_reach: dict[str, Patterns] = {}
        self._grants: dict[Screened, TokenGrant] = {}
        self._routes: dict[str, Route] = {}
        self._routes_stamp: Stamp | None = None
        self.places: frozenset[str] = frozenset()
        """Headers that hold the token for some route, beside the usual ones."""

    async def ready(self) -> VaultRefusal | None:
        """Make sure that vault and routes are open and current; else return the refusal to answer with."""
        now = time.monotonic()
        if now < self._fresh_until:
            return None
        if (refusal := self._quarantine.refusal()) is not None:
            return refusal
        session = stamp_of(self._session_path)
        if self._db is None or session != self._session_stamp:
            self.close()
            if (refusal := await self._open(session)) is not None:
                return refusal
        try:
            self._refresh()
        except RoutesError as error:
            return VaultRefusal(503, "routes_unusable", error.message, error.hint)
        except VaultBusy as error:
            return _unavailable(error)
        except VaultError as error:
            self.close()
            return _unavailable(error)
        self._fresh_until = now + FRESH_SECONDS
        return None

    def token(self, token: str) -> TokenRow | None:
        """Return the row of a presented token, or None if it is unknown."""
        digest = token_digest(token)
        if digest in self._tokens:
            return self._tokens[digest]
        if len(self._tokens) >= MAX_CACHED:
            self._tokens.clear()
        row = self._tokens[digest] = self.database().lookup(token)
        return row

    def granted(self, screened: Screened) -> TokenGrant | None:
        """Return the grant of the same head; nothing that led to it has changed, except perhaps the credential."""
        return self._grants.get(screened)

    def grant(self, grant: TokenGrant) -> None:
        """Keep a grant for as long as nothing changes that it followed from."""
        if len(self._grants) >= MAX_GRANTS:
            self._grants.clear()
        self._grants[grant.screened] = grant

    async def current(self, provider: str, credential_set: str) -> Credential | None:
        """Return a credential as it is stored, or None if it has been removed."""
        key = (credential_set, provider)
        if key not in self._credentials:
            data = self.database().load_credential(*key)
            self._credentials[key] = None if data is None else credential_of(data)
        return self._credentials[key]

    def billing(self, provider: str, credential_set: str) -> Billing:
        """Return how the use of a credential is paid for."""
        key = (credential_set, provider)
        if key not in self._billings:
            self._billings[key] = self.database().billing(*key)
        return self._billings[key]

    def patterns(self, container: str, credential: Credential) -> Patterns | VaultRefusal:
        """Return the patterns of every credential for which a container has a token, `credential` included."""
        if (found := self._within_reach.get(container)) is None:
            database = self.database()
            keys = {(row.credential_set, row.provider) for row in database.list_tokens(container)}
            stored = [database.load_credential(*key) or {} for key in sorted(keys)]
            found = self._within_reach[container] = Patterns(secret for data in stored for secret in secrets_of(data))
        # One that was refreshed a moment ago may not be among those that were read before.
        found = found.joined(credential.patterns)
        return found if found.searchable else _UNSEARCHABLE

    def rejected(self, provider: str, credential_set: str, credential: Credential) -> None:
        """Do nothing: there is no sign-in to refresh."""

    def route(self, provider: str) -> Route | None:
        """Return a provider's route, or None."""
        return self._routes.get(provider)

    @property
    def unlocked(self) -> bool:
        """Whether the vault was open when it was looked at last."""
        return self._db is not None

    def database(self) -> CredentialDB:
        """Return the open vault; VaultLocked if it is not. Call `ready` first."""
        if self._db is None:
            raise VaultLocked("the vault is locked", hint="run `terok-sandbox vault unlock` on the host")
        return self._db

    async def _open(self, session: Stamp | None) -> VaultRefusal | None:
        async with self._opening:
            if self._db is not None:
                return None
            if self._failed and session == self._session_stamp and time.monotonic() < self._failed[0]:
                return self._failed[1]
            self._session_stamp = session
            try:
                # A passphrase that a person chose costs a quarter of a second to derive: not on the event loop.
                self._db = await asyncio.to_thread(self._open_blocking)
            except VaultError as error:
                refusal = _unavailable(error)
                _log.warning("vault not available: %s", error.message)
                self._failed = (time.monotonic() + RETRY_SECONDS, refusal)
                return refusal
            self._failed = None
            _log.info("vault opened")
            return None

    def _open_blocking(self) -> CredentialDB:
        path = self._wiring.passphrase_file
        passphrase = None if path is None else read_session(path)
        if passphrase is None:
            raise VaultLocked("the vault is locked", hint="run `terok-sandbox vault unlock` on the host")
        return CredentialDB(self._wiring.db_path, passphrase)

    def _refresh(self) -> None:
        log = stamp_of(self._log_path)
        if log is None or log != self._log_stamp:
            version = self.database().data_version()
            if version != self._version:
                self._forget()
                self._version = version
            # Every commit writes to the log. One that was written to a moment ago may be so again in the same tick.
            self._log_stamp = log if log is not None and time.time_ns() - log[0] > SETTLED_NS else None
        stamp = stamp_of(self._routes_path)
        if stamp != self._routes_stamp or stamp is None:
            self._routes_stamp = None
            self._grants.clear()
            self._routes = load_routes(self._wiring.routes_path)
            self.places = frozenset().union(*(route.token_in for route in self._routes.values())) - PLACES
            self._routes_stamp = stamp

    def close(self) -> None:
        """Close the vault and forget everything."""
        database, self._db = self._db, None
        self._version = -1
        self._log_stamp = None
        self._fresh_until = 0.0
        self._forget()
        if database is not None:
            database.close()

    def _forget(self) -> None:
        self._tokens.clear()
        self._credentials.clear()
        self._billings.clear()
        self._within_reach.clear()
        self._grants.clear()


_UNSEARCHABLE: Final = VaultRefusal(
    502,
    "credential_unusable",
    "a credential of this container has a secret that answers cannot be searched for: it has blanks or characters "
    f"outside ASCII, or more than {MAX_SECRET}",
    hint="`terok-sandbox vault list` shows the credentials; store that one again",
)


def secrets_of(data: Mapping[str, Any]) -> list[str]:
    """Return the secrets of a stored object."""
    names = ("key", "token", "access_token", "refresh_token", "id_token", "client_secret")
    return [value for name in names if isinstance(value := data.get(name), str)]


def _unavailable(error: VaultError) -> VaultRefusal:
    return VaultRefusal(503, "vault_unavailable", error.message, error.hint)
