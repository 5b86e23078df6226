"""The credential database: its schema, real credentials by (set, provider), phantom tokens by hash.

A migration, once released, is never edited: a change of the schema is a new entry. Hashes are imported by what uses
them: verbs that list need none, and loading them takes a tenth of such a verb's time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from terok_sandbox.values.names import PLAIN_HINT, is_plain
from terok_sandbox.vault.connection import connect, translated
from terok_sandbox.vault.errors import BadCredential, CorruptDatabase, NewerSchema

if TYPE_CHECKING:
    from terok_sandbox.vault.tokens import TokenShape

_V1 = (
    """
    CREATE TABLE credentials (
        credential_set TEXT NOT NULL,
        provider       TEXT NOT NULL,
        data           TEXT NOT NULL,
        updated_at     TEXT NOT NULL,
        PRIMARY KEY (credential_set, provider)
    ) STRICT
    """,
    # The token itself is never stored: who copies the database cannot use the tokens in it.
    """
    CREATE TABLE phantom_tokens (
        token_sha256   BLOB NOT NULL PRIMARY KEY,
        token_id       TEXT NOT NULL UNIQUE,
        container      TEXT NOT NULL,
        provider       TEXT NOT NULL,
        credential_set TEXT NOT NULL,
        created_at     TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX phantom_tokens_container ON phantom_tokens (container)",
)

_V2 = (
    """
    CREATE TABLE ssh_keys (
        id          INTEGER PRIMARY KEY,
        key_type    TEXT NOT NULL CHECK (key_type IN ('ed25519', 'rsa')),
        private_der BLOB NOT NULL,
        public_blob BLOB NOT NULL,
        comment     TEXT NOT NULL,
        fingerprint TEXT NOT NULL UNIQUE,
        created_at  TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE ssh_key_assignments (
        scope       TEXT NOT NULL,
        key_id      INTEGER NOT NULL REFERENCES ssh_keys (id) ON DELETE CASCADE,
        is_default  INTEGER NOT NULL DEFAULT 0 CHECK (is_default IN (0, 1)),
        assigned_at TEXT NOT NULL,
        PRIMARY KEY (scope, key_id)
    ) STRICT
    """,
    "CREATE UNIQUE INDEX ssh_key_assignments_default ON ssh_key_assignments (scope) WHERE is_default = 1",
)

_V3 = ("ALTER TABLE credentials ADD COLUMN billing TEXT CHECK (billing IN ('metered', 'plan'))",)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_V1, _V2, _V3)
SCHEMA_VERSION = len(MIGRATIONS)


def user_version(connection: Any) -> int:
    """Return the schema version the open database carries; 0 for an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: Any) -> None:
    """Bring the database to SCHEMA_VERSION in one transaction; raises NewerSchema if it is ahead of this program."""
    version = user_version(connection)
    if version > SCHEMA_VERSION:
        raise NewerSchema(
            f"the vault has schema version {version}, this program knows up to {SCHEMA_VERSION}",
            hint="upgrade terok-sandbox, or restore the database that belongs to this version",
        )
    if version == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number, statements in enumerate(MIGRATIONS, start=1):
            if number > user_version(connection):
                for statement in statements:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


Billing = Literal["metered", "plan"]
DEFAULT_SET = "default"
MAX_CREDENTIAL_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A phantom token's binding. `token_id` is its short public name; the token itself is not kept."""

    token_id: str
    container: str
    provider: str
    credential_set: str
    created_at: str


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """One stored credential without its secret. `updated_at` is RFC 3339, UTC."""

    credential_set: str
    provider: str
    kind: str
    updated_at: str
    billing: Billing = "metered"
    """Whether its use is paid for one by one, or with a plan: what a person said, else a plan for a sign-in."""


def expiry(data: Mapping[str, Any]) -> float | None:
    """Return when an access token expires (seconds since the epoch), None if it does not say."""
    value = data.get("expires_at")
    if type(value) not in (int, float) or not value or value < 0:
        return None
    # Vendors' own files count in milliseconds.
    return float(value) / 1000 if value > 1e11 else float(value)


class CredentialDB:
    """An open vault, for several processes at once; raises VaultError's children only."""

    def __init__(self, path: Path, passphrase: str, *, create: bool = False) -> None:
        self.path = Path(path)
        self._connection = connect(self.path, passphrase, create=create)
        self._depth = 0
        try:
            with translated(self.path):
                migrate(self._connection)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> CredentialDB:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; closing twice is harmless."""
        with translated(self.path):
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the writes of the block one atomic step; a nested block joins the outer one."""
        if self._depth:
            yield
            return
        with translated(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0

    def data_version(self) -> int:
        """Return a number that changes when another connection has committed. Costs microseconds."""
        return int(self._one("PRAGMA data_version")[0])

    def store_credential(self, credential_set: str, provider: str, data: Mapping[str, Any]) -> None:
        """Store or replace a credential: a JSON object with `type` and `key`, or `access_token` and companions."""
        _check_names(credential_set, provider)
        text = json.dumps(dict(data), separators=(",", ":"))
        if len(text) > MAX_CREDENTIAL_BYTES:
            raise BadCredential(f"the credential of {provider} is larger than {MAX_CREDENTIAL_BYTES} bytes")
        with self.transaction():
            self.write(
                "INSERT INTO credentials (credential_set, provider, data, updated_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET data = excluded.data, updated_at = excluded.updated_at",
                (credential_set, provider, text, now_text()),
            )

    def load_credential(self, credential_set: str, provider: str) -> dict[str, Any] | None:
        """Return the credential with its secret, or None."""
        row = self._one(
            "SELECT data FROM credentials WHERE credential_set = ? AND provider = ?", (credential_set, provider)
        )
        if row is None:
            return None
        data = json.loads(row[0])
        if not isinstance(data, dict):
            raise CorruptDatabase(f"the credential of {provider} in the vault {self.path} is not an object")
        return data

    def list_credentials(self, credential_set: str | None = None) -> list[CredentialRow]:
        """List what is stored, in one set or in all, without secrets."""
        rows = self.rows(
            "SELECT credential_set, provider, json_extract(data, '$.type'), updated_at, billing FROM credentials"
            " WHERE ?1 IS NULL OR credential_set = ?1 ORDER BY credential_set, provider",
            (credential_set,),
        )
        return [
            CredentialRow(name, provider, kind or "", updated, _billing(kind, chosen))
            for name, provider, kind, updated, chosen in rows
        ]

    def billing(self, credential_set: str, provider: str) -> Billing:
        """Return how the use of a credential is paid for; `metered` if there is none."""
        query = (
            "SELECT json_extract(data, '$.type'), billing FROM credentials WHERE credential_set = ? AND provider = ?"
        )
        row = self._one(query, (credential_set, provider))
        return _billing(*row) if row is not None else "metered"

    def set_billing(self, credential_set: str, provider: str, billing: Billing) -> bool:
        """Note how the use of a credential is paid for, also after it is stored anew; False if there is none."""
        with self.transaction():
            return bool(
                self.write(
                    "UPDATE credentials SET billing = ? WHERE credential_set = ? AND provider = ?",
                    (billing, credential_set, provider),
                )
            )

    def delete_credential(self, credential_set: str, provider: str) -> bool:
        """Remove a credential; False if there was none. Tokens bound to it stay and stop working."""
        with self.transaction():
            where = (credential_set, provider)
            return bool(self.write("DELETE FROM credentials WHERE credential_set = ? AND provider = ?", where))

    def create_token(
        self, container: str, provider: str, credential_set: str = DEFAULT_SET, *, shape: TokenShape | None = None
    ) -> str:
        """Mint a token bound to container, provider and set. Only the return value ever holds it in clear."""
        from terok_sandbox.vault.tokens import DEFAULT_SHAPE, mint, token_digest, token_id

        _check_names(container, provider, credential_set)
        token = mint(shape or DEFAULT_SHAPE)
        digest = token_digest(token)
        with self.transaction():
            self.write(
                "INSERT INTO phantom_tokens (token_sha256, token_id, container, provider, credential_set, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (digest, token_id(digest), container, provider, credential_set, now_text()),
            )
        return token

    def lookup(self, token: str) -> TokenRow | None:
        """Return the row of `token`, or None. The time it takes tells nothing about stored tokens."""
        import hmac

        from terok_sandbox.vault.tokens import token_digest

        digest = token_digest(token)
        row = self._one(
            "SELECT token_sha256, token_id, container, provider, credential_set, created_at"
            " FROM phantom_tokens WHERE token_sha256 = ?",
            (digest,),
        )
        if row is None or not hmac.compare_digest(row[0], digest):
            return None
        return TokenRow(*row[1:])

    def list_tokens(self, container: str | None = None) -> list[TokenRow]:
        """List the tokens of one container or of all."""
        rows = self.rows(
            "SELECT token_id, container, provider, credential_set, created_at FROM phantom_tokens"
            " WHERE ?1 IS NULL OR container = ?1 ORDER BY container, provider, created_at",
            (container,),
        )
        return [TokenRow(*row) for row in rows]

    def revoke_tokens(self, container: str, *, provider: str | None = None) -> int:
        """Remove a container's tokens (all, or one provider's) and return how many there were."""
        with self.transaction():
            return self.write(
                "DELETE FROM phantom_tokens WHERE container = ?1 AND (?2 IS NULL OR provider = ?2)",
                (container, provider),
            )

    def rows(self, sql: str, parameters: tuple[object, ...] = ()) -> list[Any]:
        """Return the rows of a query."""
        with translated(self.path):
            return list(self._connection.execute(sql, parameters).fetchall())

    def write(self, sql: str, parameters: tuple[object, ...] = ()) -> int:
        """Change rows, inside `transaction`, and return how many."""
        with translated(self.path):
            return int(self._connection.execute(sql, parameters).rowcount)

    def _one(self, sql: str, parameters: tuple[object, ...] = ()) -> Any:
        with translated(self.path):
            return self._connection.execute(sql, parameters).fetchone()


def _billing(kind: str | None, chosen: Billing | None) -> Billing:
    return chosen or ("plan" if kind == "oauth" else "metered")


def _check_names(*names: str) -> None:
    for name in names:
        if not is_plain(name):
            raise BadCredential(f"invalid name {name[:80]!r}", hint=PLAIN_HINT)


def now_text() -> str:
    """Return the time as it is stored."""
    return datetime.now(UTC).isoformat(timespec="seconds")
