"""Unlocking the vault for this session, and locking it again."""

from __future__ import annotations

from contextlib import suppress

from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.errors import VaultError, VaultLocked, WrongPassphrase
from terok_sandbox.vault.passphrase.record import update_record
from terok_sandbox.vault.passphrase.session import write_session
from terok_sandbox.vault.store import CredentialDB
from terok_sandbox.vault.unlock import drop_session, passphrase_is_kept, provision_session


def unlock_by_itself(cfg: SandboxConfig) -> bool:
    """Unlock the vault with what its durable tier or its command gives; False if a person has to be asked.

    Without a vault one is made. Raises VaultError for a tier that fails.
    """
    if not cfg.db_path.exists():
        provision_session(cfg)
        return True
    update_record(cfg, locked=False)
    with suppress(VaultLocked, WrongPassphrase):
        provision_session(cfg)
        return True
    return False


def unlock_with(cfg: SandboxConfig, passphrase: str) -> None:
    """Put a passphrase into the session file; WrongPassphrase if it does not open the vault."""
    CredentialDB(cfg.db_path, passphrase).close()
    write_session(cfg, passphrase)


def lock_vault(cfg: SandboxConfig, *, force: bool = False) -> bool:
    """Forget the session's passphrase and leave the durable tier alone until it is unlocked; False if it was locked.

    Raises VaultError if the passphrase is kept nowhere else, unless `force`.
    """
    if not force and not passphrase_is_kept(cfg):
        raise VaultError(
            "the session file may hold the only copy of the vault's passphrase: without it, all credentials are lost",
            hint="run `terok-sandbox vault passphrase reveal`, then `… acknowledge`; --force locks anyway",
        )
    if cfg.db_path.exists():
        update_record(cfg, locked=True)
    return drop_session(cfg)
