"""Schema of the credential database: numbered, forward-only migrations.

`PRAGMA user_version` holds the number of the last migration applied. A migration, once released, is never edited:
a change of the schema is a new entry.
"""

from __future__ import annotations

from typing import Any

from terok_sandbox.vault.errors import NewerSchema

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

MIGRATIONS: tuple[tuple[str, ...], ...] = (_V1, _V2)
SCHEMA_VERSION = len(MIGRATIONS)


def user_version(connection: Any) -> int:
    """Return the schema version the open database carries; 0 for an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: Any) -> None:
    """Bring the database to SCHEMA_VERSION, all pending migrations in one transaction.

    The connection must be in autocommit mode. A concurrent process that migrates first makes this a no-op.

    Raises:
        NewerSchema: the database is ahead of this version of the program.

    """
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
