"""Handlers of the `vault passphrase` verbs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from terok_util import UsageError
from terok_util.commands.output import show

from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.passphrase.record import read_record, update_record
from terok_sandbox.vault.passphrase.tiers import FileTier, KeyringTier, SystemdCredsTier

if TYPE_CHECKING:
    from terok_sandbox.vault.passphrase.record import TierName

FILE_TIER_NOTE = "a file protects backups that leave it out and against other users, not against this account"


def show_tiers(*, as_json: bool = False) -> int:
    """Show the tiers of this machine and which one is used; never the passphrase."""
    cfg = SandboxConfig.load()
    record = read_record(cfg)
    offered = {tier.name: tier.available() for tier in (SystemdCredsTier(cfg), KeyringTier(cfg), FileTier(cfg))}
    document = {
        "tier": record.tier,
        "acknowledged": record.acknowledged,
        "locked": record.locked,
        "rekeying": record.rekeying,
        "session": cfg.vault_session_file.exists(),
        "command": bool(cfg.credentials_passphrase_command),
        "available": offered,
    }
    lines = [
        f"tier          {record.tier}{' (suspended by vault lock)' if record.locked else ''}",
        f"recovery key  {'written down' if record.acknowledged else 'not acknowledged'}",
        f"session       {'unlocked' if document['session'] else 'no session file'}",
        *(f"{name:13} {'available' if there else 'not on this machine'}" for name, there in offered.items()),
    ]
    show(document, as_json, lines)
    return 0


def reveal(*, allow_redirect: bool = False) -> int:
    """Print the passphrase, which is the recovery key; only to a terminal unless told otherwise."""
    from terok_sandbox.vault import unlock as unlocking

    if not sys.stdout.isatty() and not allow_redirect:
        raise VaultError(
            "the recovery key is shown on a terminal only", hint="add --allow-redirect to write it to a pipe or file"
        )
    _say(unlocking.resolve_passphrase(SandboxConfig.load(), interactive=True))
    _note("this opens the vault on any machine: keep it where the vault is not, then `vault passphrase acknowledge`")
    return 0


def acknowledge() -> int:
    """Record that the recovery key was written down, proved by entering it."""
    from terok_sandbox.vault import unlock as unlocking

    cfg = SandboxConfig.load()
    given = unlocking.read_secret("Recovery key, from where you keep it: ", "recovery key")
    if given != unlocking.resolve_passphrase(cfg):
        raise VaultError(
            "that is not the vault's recovery key", hint="`terok-sandbox vault passphrase reveal` shows it"
        )
    update_record(cfg, acknowledged=True)
    _say("the recovery key is acknowledged")
    return 0


def change(*, ask: bool = False) -> int:
    """Encrypt the vault with a new passphrase, random unless asked for."""
    from terok_sandbox.vault import unlock as unlocking
    from terok_sandbox.vault.passphrase import change as changing
    from terok_sandbox.vault.passphrase.session import ask_passphrase

    cfg = SandboxConfig.load()
    new = unlocking.read_secret("New passphrase: ", "passphrase") if ask else None
    if new is not None and sys.stdin.isatty() and new != ask_passphrase("New passphrase, again: "):
        raise UsageError("the two passphrases differ")
    if new is not None and len(new) < MIN_CHOSEN:
        raise UsageError(
            f"a chosen passphrase needs {MIN_CHOSEN} characters", hint="or leave out --ask for a random one"
        )
    changing.change_passphrase(cfg, new)
    _say("the vault is encrypted with a new passphrase; the old recovery key opens it no longer")
    if new is None:
        _note("run `terok-sandbox vault passphrase reveal` and write the new recovery key down")
    return 0


def seal(*, key: str = "auto") -> int:
    """Keep the passphrase as a sealed systemd credential."""
    return _move("systemd-creds", key=key)


def to_keyring() -> int:
    """Keep the passphrase in the desktop's keyring."""
    return _move("keyring")


def to_file() -> int:
    """Keep the passphrase in an owner-only file beside the database."""
    _note(FILE_TIER_NOTE)
    return _move("file")


def forget() -> int:
    """Keep the passphrase in no durable tier."""
    return _move("none")


def _move(name: TierName, *, key: str = "auto") -> int:
    from terok_sandbox.vault.passphrase import change as changing

    before = changing.move_to(SandboxConfig.load(), name, key=key)
    _say(f"the passphrase is kept in: {name} (before: {before})")
    return 0


MIN_CHOSEN = 12


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _note(text: str) -> None:
    sys.stderr.write(f"note: {text}\n")
