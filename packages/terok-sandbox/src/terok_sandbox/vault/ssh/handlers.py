"""Handlers of the `ssh` verbs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from terok_util import TerokError, UsageError, write_sensitive_file
from terok_util.commands.output import show

from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.errors import BadCredential, VaultError
from terok_sandbox.vault.ssh.agent_protocol import public_line
from terok_sandbox.vault.ssh.store import KeyRow, SSHManager
from terok_sandbox.vault.store import CredentialDB
from terok_sandbox.vault.unlock import open_vault, say

if TYPE_CHECKING:
    from terok_sandbox.vault.ssh.keys import KeyType

MAX_KEY_FILE = 64 * 1024
_LIST = "`terok-sandbox ssh list` shows the keys"


def list_keys(*, scope: str | None = None, as_json: bool = False) -> None:
    """List keys and their scopes; never a private half."""
    with _vault() as database:
        keys = SSHManager(database).all() if scope is None else SSHManager(database).of_scope(scope)
    show({"keys": list(map(_row, keys))}, as_json, map(_line, keys))


def _row(key: KeyRow) -> dict[str, object]:
    names = {"id": key.key_id, "scope": key.scope, "default": key.is_default, "type": key.key_type}
    more = {"comment": key.comment, "created": key.created_at, "public": key.public}
    return {**names, "fingerprint": key.fingerprint, **more}


def _line(key: KeyRow) -> str:
    whose = f"{key.scope or '(no scope)'}{' (default)' if key.is_default else ''}"
    return f"{key.key_id}  {whose}  {key.key_type}  {key.fingerprint}  {key.comment}"


def add(*, scope: str, key_type: KeyType = "ed25519", comment: str | None = None) -> None:
    """Mint a key in the vault for a scope and print its public half."""
    from terok_sandbox.vault.ssh.keeping import keep_key
    from terok_sandbox.vault.ssh.keys import mint

    say(keep_key(SandboxConfig.load(), scope, mint(key_type), comment, interactive=True))


def import_key(*, scope: str, private_key: str, comment: str | None = None) -> None:
    """Take a private key file into the vault."""
    path = Path(private_key)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_KEY_FILE)
    except OSError as error:
        raise VaultError(f"{path}: cannot be read: {error.strerror}") from error
    from terok_sandbox.vault.ssh.keeping import keep_key
    from terok_sandbox.vault.ssh.keys import import_private

    say(keep_key(SandboxConfig.load(), scope, import_private(data), comment, interactive=True))


def export(*, scope: str, out_dir: str, key_id: int | None = None) -> None:
    """Write a key out of the vault as OpenSSH files, the private one for its owner only."""
    directory = Path(out_dir)
    with _vault() as database:
        keys = SSHManager(database)
        key = _one(keys, scope, key_id)
        der = keys.private_der(scope, key.public_blob)
    if der is None:
        raise BadCredential(f"the scope {scope} has no such key any more", hint=_LIST)
    target = directory / f"id_{key.key_type}_{key.key_id}"
    if target.exists():
        raise VaultError(f"{target} exists already", hint="choose another directory with --out-dir")
    from terok_sandbox.vault.ssh.keys import KeyPair

    pair = KeyPair("rsa" if key.key_type == "rsa" else "ed25519", der, key.public_blob)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_sensitive_file(target, pair.openssh_private())
        target.with_suffix(".pub").write_text(public_line(key.public_blob, key.comment) + "\n")
    except (OSError, TerokError) as error:
        raise VaultError(f"{target}: cannot be written: {error}") from error
    say(str(target))


def pub(*, scope: str, key_id: int | None = None) -> None:
    """Print the public half of a scope's default key, or of another."""
    with _vault() as database:
        key = _one(SSHManager(database), scope, key_id)
    say(key.public)


def default(*, scope: str, key_id: int) -> None:
    """Make a key the one that is offered first."""
    with _vault() as database:
        SSHManager(database).set_default(scope, key_id)
    say(f"key {key_id} is the default of {scope}")


def link(*, scope: str, key_id: int) -> None:
    """Let another scope use a key."""
    with _vault() as database:
        SSHManager(database).assign(scope, key_id)
    say(f"{scope} may use key {key_id}")


def rename(*, fingerprint: str, comment: str) -> None:
    """Give a key another comment."""
    from terok_sandbox.vault.ssh.keys import checked_comment

    with _vault() as database:
        if not SSHManager(database).rename(fingerprint, checked_comment(comment)):
            raise BadCredential(f"there is no key {fingerprint}", hint=_LIST)
    say(f"renamed {fingerprint}")


def remove(*, scope: str | None = None, fingerprint: str | None = None, yes: bool = False) -> None:
    """Take keys from a scope, or with only a fingerprint delete a key for good."""
    if scope is None and fingerprint is None:
        raise UsageError("name a scope, a fingerprint, or both")
    with _vault() as database:
        keys = SSHManager(database)
        if scope is not None:
            count = keys.unassign(scope, fingerprint)
            say(f"{scope} may no longer use {count} key{'' if count == 1 else 's'}; the vault keeps them")
            return
        if not yes:
            raise UsageError(f"this deletes the key {fingerprint} for good", hint="add --yes")
        if fingerprint is None or not keys.delete(fingerprint):
            raise BadCredential(f"there is no key {fingerprint}", hint=_LIST)
    say(f"deleted {fingerprint}")


def _one(keys: SSHManager, scope: str, key_id: int | None) -> KeyRow:
    for key in keys.of_scope(scope):
        if key_id in (None, key.key_id):
            return key
    raise BadCredential(f"the scope {scope} has no such key", hint=_LIST)


def _vault() -> CredentialDB:
    return open_vault(SandboxConfig.load(), interactive=True)
