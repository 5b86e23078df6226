"""SSH keys in the vault and the scopes (projects) they are for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from terok_sandbox.values.names import PLAIN_HINT, is_plain
from terok_sandbox.vault.errors import BadCredential
from terok_sandbox.vault.ssh.agent_protocol import public_line
from terok_sandbox.vault.store import CredentialDB, now_text

_COLUMNS = "k.id, k.key_type, k.public_blob, k.comment, k.fingerprint, k.created_at"


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A stored key without its private half; `scope` and `is_default` are empty where no scope was asked for."""

    key_id: int
    key_type: str
    public_blob: bytes
    comment: str
    fingerprint: str
    created_at: str
    scope: str = ""
    is_default: bool = False

    @property
    def public(self) -> str:
        """The public half as a line for authorized_keys and a forge's key form."""
        return public_line(self.public_blob, self.comment)


class SSHManager:
    """The SSH keys of an open vault."""

    def __init__(self, database: CredentialDB) -> None:
        self._db = database

    def add(self, key_type: str, private_der: bytes, public_blob: bytes, comment: str, fingerprint: str) -> int:
        """Store a key and return its number; one that is there already keeps number and comment."""
        with self._db.transaction():
            self._db.write(
                "INSERT INTO ssh_keys (key_type, private_der, public_blob, comment, fingerprint, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (fingerprint) DO NOTHING",
                (key_type, private_der, public_blob, comment, fingerprint, now_text()),
            )
            return int(self._db.rows("SELECT id FROM ssh_keys WHERE fingerprint = ?", (fingerprint,))[0][0])

    def assign(self, scope: str, key_id: int) -> None:
        """Let a scope use a key; the first one of a scope becomes its default."""
        self._checked(scope, key_id)
        with self._db.transaction():
            first = not self._db.rows("SELECT 1 FROM ssh_key_assignments WHERE scope = ?", (scope,))
            self._db.write(
                "INSERT INTO ssh_key_assignments (scope, key_id, is_default, assigned_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (scope, key_id, int(first), now_text()),
            )

    def set_default(self, scope: str, key_id: int) -> None:
        """Make a key of a scope the one that is offered first."""
        with self._db.transaction():
            self._db.write("UPDATE ssh_key_assignments SET is_default = 0 WHERE scope = ?", (scope,))
            sql = "UPDATE ssh_key_assignments SET is_default = 1 WHERE scope = ? AND key_id = ?"
            if not self._db.write(sql, (scope, key_id)):
                raise BadCredential(f"the scope {scope} has no key {key_id}", hint=_LIST)

    def unassign(self, scope: str, fingerprint: str | None = None) -> int:
        """Take a key, or all, from a scope and return how many; the oldest of the rest becomes its default."""
        with self._db.transaction():
            count = self._db.write(
                "DELETE FROM ssh_key_assignments WHERE scope = ?1 AND (?2 IS NULL OR key_id ="
                " (SELECT id FROM ssh_keys WHERE fingerprint = ?2))",
                (scope, fingerprint),
            )
            self._db.write(
                "UPDATE ssh_key_assignments SET is_default = 1 WHERE scope = ?1 AND NOT EXISTS"
                " (SELECT 1 FROM ssh_key_assignments WHERE scope = ?1 AND is_default = 1) AND key_id ="
                " (SELECT min(key_id) FROM ssh_key_assignments WHERE scope = ?1)",
                (scope,),
            )
            return count

    def delete(self, fingerprint: str) -> bool:
        """Delete a key from the vault and from all scopes; False if there is none."""
        with self._db.transaction():
            for (scope,) in self._db.rows(
                "SELECT scope FROM ssh_key_assignments a JOIN ssh_keys k ON k.id = a.key_id WHERE fingerprint = ?",
                (fingerprint,),
            ):
                self.unassign(scope, fingerprint)
            return bool(self._db.write("DELETE FROM ssh_keys WHERE fingerprint = ?", (fingerprint,)))

    def rename(self, fingerprint: str, comment: str) -> bool:
        """Give a key another comment; False if there is none."""
        with self._db.transaction():
            return bool(self._db.write("UPDATE ssh_keys SET comment = ? WHERE fingerprint = ?", (comment, fingerprint)))

    def of_scope(self, scope: str) -> list[KeyRow]:
        """List the keys of a scope, its default first."""
        rows = self._db.rows(
            f"SELECT {_COLUMNS}, a.scope, a.is_default FROM ssh_key_assignments a JOIN ssh_keys k ON k.id = a.key_id"  # noqa: S608 - a constant
            " WHERE a.scope = ? ORDER BY a.is_default DESC, k.id",
            (scope,),
        )
        return [_row(row) for row in rows]

    def all(self) -> list[KeyRow]:
        """List every key, once per scope, or once if it is in none."""
        rows = self._db.rows(
            f"SELECT {_COLUMNS}, coalesce(a.scope, ''), coalesce(a.is_default, 0) FROM ssh_keys k"  # noqa: S608 - a constant
            " LEFT JOIN ssh_key_assignments a ON k.id = a.key_id ORDER BY a.scope, k.id"
        )
        return [_row(row) for row in rows]

    def private_der(self, scope: str, public_blob: bytes) -> bytes | None:
        """Return the private half of a key if the scope may use it."""
        rows = self._db.rows(
            "SELECT k.private_der FROM ssh_key_assignments a JOIN ssh_keys k ON k.id = a.key_id"
            " WHERE a.scope = ? AND k.public_blob = ?",
            (scope, public_blob),
        )
        return bytes(rows[0][0]) if rows else None

    def _checked(self, scope: str, key_id: int) -> None:
        if not is_plain(scope):
            raise BadCredential(f"invalid scope {scope[:80]!r}", hint=PLAIN_HINT)
        if not self._db.rows("SELECT 1 FROM ssh_keys WHERE id = ?", (key_id,)):
            raise BadCredential(f"there is no key {key_id}", hint=_LIST)


def _row(row: tuple[Any, ...]) -> KeyRow:
    return KeyRow(row[0], row[1], bytes(row[2]), row[3], row[4], row[5], scope=row[6], is_default=bool(row[7]))


_LIST = "`terok-sandbox ssh list` shows the keys"
