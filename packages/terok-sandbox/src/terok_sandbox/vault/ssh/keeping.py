"""Taking SSH keys into the vault."""

from __future__ import annotations

from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.ssh.agent_protocol import public_line
from terok_sandbox.vault.ssh.keys import KeyPair, checked_comment, mint
from terok_sandbox.vault.ssh.store import SSHManager
from terok_sandbox.vault.unlock import open_vault, provision_session


def mint_key(cfg: SandboxConfig, scope: str, comment: str | None = None) -> str:
    """Mint an ed25519 key for a scope and return its public half as a line; VaultError for a vault that is locked."""
    return keep_key(cfg, scope, mint(), comment)


def keep_key(
    cfg: SandboxConfig, scope: str, pair: KeyPair, comment: str | None = None, *, interactive: bool = False
) -> str:
    """Store a key for a scope, in a vault that is made if need be, and return its public half as a line.

    The comment is by default the scope and a number. Raises BadCredential for a comment or scope that cannot be kept.
    """
    provision_session(cfg, interactive=interactive)
    with open_vault(cfg, interactive=interactive) as database, database.transaction():
        keys = SSHManager(database)
        text = checked_comment(comment or f"{scope}-{len(keys.of_scope(scope)) + 1}")
        key_id = keys.add(pair.key_type, pair.private_der, pair.public_blob, text, pair.fingerprint)
        keys.assign(scope, key_id)
    return public_line(pair.public_blob, text)
