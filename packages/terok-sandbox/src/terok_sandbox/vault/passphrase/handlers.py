"""Handlers of the `vault passphrase` verbs."""

from __future__ import annotations

import sys

from terok_util import UsageError, may_ask
from terok_util.commands.output import show

from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.passphrase.kept import PassphraseKept
from terok_sandbox.vault.passphrase.record import TierName, update_record


def show_tiers(*, as_json: bool = False) -> None:
    """Show the tiers of this machine and which one is used; never the passphrase."""
    kept = PassphraseKept.look(SandboxConfig.load())
    lines = [
        f"tier          {kept.tier}{' (suspended by vault lock)' if kept.locked else ''}",
        f"recovery key  {'written down' if kept.acknowledged else 'not acknowledged'}",
        f"session       {'unlocked' if kept.session else 'no session file'}",
        *(f"{name:13} {'available' if there else 'not on this machine'}" for name, there in kept.available.items()),
    ]
    show(kept, as_json, lines)


def reveal(*, allow_redirect: bool = False) -> None:
    """Print the passphrase, which is the recovery key; only to a terminal unless told otherwise."""
    from terok_sandbox.vault import unlock as unlocking

    if not sys.stdout.isatty() and not allow_redirect:
        raise VaultError(
            "the recovery key is shown on a terminal only", hint="add --allow-redirect to write it to a pipe or file"
        )
    unlocking.say(unlocking.resolve_passphrase(SandboxConfig.load(), interactive=True))
    unlocking.note(
        "this opens the vault on any machine: keep it where the vault is not, then `vault passphrase acknowledge`"
    )


def acknowledge() -> None:
    """Record that the recovery key was written down, proved by entering it."""
    from terok_sandbox.vault import unlock as unlocking

    cfg = SandboxConfig.load()
    given = unlocking.read_secret("Recovery key, from where you keep it: ", "recovery key")
    if given != unlocking.resolve_passphrase(cfg):
        raise VaultError(
            "that is not the vault's recovery key", hint="`terok-sandbox vault passphrase reveal` shows it"
        )
    update_record(cfg, acknowledged=True)
    unlocking.say("the recovery key is acknowledged")


def change(*, ask: bool = False) -> None:
    """Encrypt the vault with a new passphrase, random unless asked for."""
    from terok_sandbox.vault import unlock as unlocking
    from terok_sandbox.vault.passphrase import change as changing
    from terok_sandbox.vault.passphrase.session import ask_passphrase

    cfg = SandboxConfig.load()
    new = unlocking.read_secret("New passphrase: ", "passphrase") if ask else None
    if new is not None and may_ask() and new != ask_passphrase("New passphrase, again: "):
        raise UsageError("the two passphrases differ")
    if new is not None and len(new) < MIN_CHOSEN:
        raise UsageError(
            f"a chosen passphrase needs {MIN_CHOSEN} characters", hint="or leave out --ask for a random one"
        )
    changing.change_passphrase(cfg, new)
    unlocking.say("the vault is encrypted with a new passphrase; the old recovery key opens it no longer")
    if new is None:
        unlocking.note("run `terok-sandbox vault passphrase reveal` and write the new recovery key down")


def seal(*, key: str = "auto") -> None:
    """Keep the passphrase as a sealed systemd credential."""
    _move("systemd-creds", key=key)


def to_keyring() -> None:
    """Keep the passphrase in the desktop's keyring."""
    _move("keyring")


def to_file() -> None:
    """Keep the passphrase in an owner-only file beside the database."""
    _move("file", about="a file protects backups that leave it out and against other users, not this account")


def forget() -> None:
    """Keep the passphrase in no durable tier."""
    _move("none")


def _move(name: TierName, *, key: str = "auto", about: str = "") -> None:
    from terok_sandbox.vault import unlock as unlocking
    from terok_sandbox.vault.passphrase import change as changing

    if about:
        unlocking.note(about)
    before = changing.move_to(SandboxConfig.load(), name, key=key)
    unlocking.say(f"the passphrase is kept in: {name} (before: {before})")


MIN_CHOSEN = 12
