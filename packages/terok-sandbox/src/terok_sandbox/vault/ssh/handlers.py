"""Handlers of the `ssh` verbs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from terok_util import TerokError, UsageError, write_sensitive_file
from terok_util.commands.output import show

from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.errors import BadCredential, VaultError
from terok_sandbox.vault.ssh.agent_protocol import public_line
from terok_sandbox.vault.ssh.store import KeyRow, SSHManager
from terok_sandbox.vault.unlock import open_vault, provision_session

if TYPE_CHECKING:
    from terok_sandbox.vault.ssh.keys import KeyPair, KeyType
    from terok_sandbox.vault.store import CredentialDB

MAX_KEY_FILE = 64 * 1024
_LIST = "`terok-sandbox ssh list` shows the keys"


def list_keys(*, scope: str | None = None, as_json: bool = False) -> int:
    """List keys and their scopes; never a private half."""
    with _vault() as database:
        keys = SSHManager(database).all() if scope is None else SSHManager(database).of_scope(scope)
    rows = [
        {
            "id": key.key_id,
            "scope": key.scope,
            "default": key.is_default,
            "type": key.key_type,
            "fingerprint": key.fingerprint,
            "comment": key.comment,
            "created": key.created_at,
            "public": public_line(key.public_blob, key.comment),
        }
        for key in keys
    ]
    lines = (
        f"{key.key_id}  {key.scope or '(no scope)'}{' (default)' if key.is_default else ''}  {key.key_type}"
        f"  {key.fingerprint}  {key.comment}"
        for key in keys
    )
    show({"keys": rows}, as_json, lines)
    return 0


def add(*, scope: str, key_type: KeyType = "ed25519", comment: str | None = None) -> int:
    """Mint a key in the vault for a scope and print its public half."""
    from terok_sandbox.vault.ssh.keys import mint

    return _keep(scope, mint(key_type), comment)


def import_key(*, scope: str, private_key: str, comment: str | None = None) -> int:
    """Take a private key file into the vault."""
    path = Path(private_key)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_KEY_FILE)
    except OSError as error:
        raise VaultError(f"{path}: cannot be read: {error.strerror}") from error
    from terok_sandbox.vault.ssh.keys import import_private

    return _keep(scope, import_private(data), comment)


def export(*, scope: str, out_dir: str, key_id: int | None = None) -> int:
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
    _say(str(target))
    return 0


def pub(*, scope: str, key_id: int | None = None) -> int:
    """Print the public half of a scope's default key, or of another."""
    with _vault() as database:
        key = _one(SSHManager(database), scope, key_id)
    _say(public_line(key.public_blob, key.comment))
    return 0


def default(*, scope: str, key_id: int) -> int:
    """Make a key the one that is offered first."""
    with _vault() as database:
        SSHManager(database).set_default(scope, key_id)
    _say(f"key {key_id} is the default of {scope}")
    return 0


def link(*, scope: str, key_id: int) -> int:
    """Let another scope use a key."""
    with _vault() as database:
        SSHManager(database).assign(scope, key_id)
    _say(f"{scope} may use key {key_id}")
    return 0


def rename(*, fingerprint: str, comment: str) -> int:
    """Give a key another comment."""
    from terok_sandbox.vault.ssh.keys import checked_comment

    with _vault() as database:
        if not SSHManager(database).rename(fingerprint, checked_comment(comment)):
            raise BadCredential(f"there is no key {fingerprint}", hint=_LIST)
    _say(f"renamed {fingerprint}")
    return 0


def remove(*, scope: str | None = None, fingerprint: str | None = None, yes: bool = False) -> int:
    """Take keys from a scope, or with only a fingerprint delete a key for good."""
    if scope is None and fingerprint is None:
        raise UsageError("name a scope, a fingerprint, or both")
    with _vault() as database:
        keys = SSHManager(database)
        if scope is not None:
            count = keys.unassign(scope, fingerprint)
            _say(f"{scope} may no longer use {count} key{'' if count == 1 else 's'}; the vault keeps them")
            return 0
        if not yes:
            raise UsageError(f"this deletes the key {fingerprint} for good", hint="add --yes")
        if fingerprint is None or not keys.delete(fingerprint):
            raise BadCredential(f"there is no key {fingerprint}", hint=_LIST)
    _say(f"deleted {fingerprint}")
    return 0


def _keep(scope: str, pair: KeyPair, comment: str | None) -> int:
    from terok_sandbox.vault.ssh.keys import checked_comment

    cfg = SandboxConfig.load()
    provision_session(cfg, interactive=True)
    with _vault() as database, database.transaction():
        keys = SSHManager(database)
        text = checked_comment(comment or f"{scope}-{len(keys.of_scope(scope)) + 1}")
        key_id = keys.add(pair.key_type, pair.private_der, pair.public_blob, text, pair.fingerprint)
        keys.assign(scope, key_id)
    _say(public_line(pair.public_blob, text))
    return 0


def _one(keys: SSHManager, scope: str, key_id: int | None) -> KeyRow:
    for key in keys.of_scope(scope):
        if key_id in (None, key.key_id):
            return key
    raise BadCredential(f"the scope {scope} has no such key", hint=_LIST)


def _vault() -> CredentialDB:
    return open_vault(SandboxConfig.load(), interactive=True)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
