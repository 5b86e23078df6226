"""SSH keys in the vault and the scopes that may use them; never a private half."""

from __future__ import annotations

from typing import NamedTuple

from terok_util import UsageError, safe_text

from terok.integrations.sandbox import SandboxConfig, SSHManager, mint_key, open_vault
from terok.model.timeline_rows import moment

_TEXT = 200


class Key(NamedTuple):
    """A key for a scope, or for none (""): `public` is its public half as a line, `made` in seconds since the epoch."""

    id: int
    scope: str
    default: bool
    kind: str
    fingerprint: str
    comment: str
    public: str
    made: float | None


def all_keys() -> list[Key]:
    """Return every key, once for each of its scopes; VaultError if the vault is locked."""
    config = SandboxConfig.load()
    if not config.db_path.exists():
        return []
    with open_vault(config) as database:
        rows = SSHManager(database).all()
    return [
        Key(
            row.key_id,
            safe_text(row.scope, limit=64),
            row.is_default,
            row.key_type,
            row.fingerprint,
            safe_text(row.comment, limit=_TEXT),
            safe_text(row.public, limit=2000),
            moment(row.created_at),
        )
        for row in rows
    ]


def mint(scope: str) -> str:
    """Mint a key for a scope and return its public half as a line."""
    return mint_key(SandboxConfig.load(), scope)


def link(key_id: int, scope: str) -> str:
    """Let another scope use a key."""
    with open_vault(SandboxConfig.load()) as database:
        SSHManager(database).assign(scope, key_id)
    return f"{safe_text(scope)} may use key {key_id}"


def make_default(key_id: int, scope: str) -> str:
    """Make a key the one that is offered first."""
    with open_vault(SandboxConfig.load()) as database:
        SSHManager(database).set_default(scope, key_id)
    return f"key {key_id} is the default of {safe_text(scope)}"


def rename(fingerprint: str, comment: str) -> str:
    """Give a key another comment; UsageError for a key that is gone, and for a comment that cannot stand in a line."""
    if len(comment) > _TEXT or not comment.isprintable():
        raise UsageError(f"a key's comment has up to {_TEXT} printable characters")
    with open_vault(SandboxConfig.load()) as database:
        if not SSHManager(database).rename(fingerprint, comment):
            raise _gone(fingerprint)
    return f"the key is called {comment}"


def unlink(fingerprint: str, scope: str) -> str:
    """Take a key from a scope; the vault keeps it."""
    with open_vault(SandboxConfig.load()) as database:
        if not SSHManager(database).unassign(scope, fingerprint):
            raise _gone(fingerprint)
    return f"{safe_text(scope)} may no longer use the key; the vault keeps it"


def delete(fingerprint: str) -> str:
    """Delete a key for good."""
    with open_vault(SandboxConfig.load()) as database:
        if not SSHManager(database).delete(fingerprint):
            raise _gone(fingerprint)
    return "the key is deleted"


def _gone(fingerprint: str) -> UsageError:
    return UsageError(f"there is no key {safe_text(fingerprint, limit=60)}", hint="see `terok sandbox ssh list`")
