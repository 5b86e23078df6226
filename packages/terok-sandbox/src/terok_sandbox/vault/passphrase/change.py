"""Giving the vault another passphrase, or another durable tier, such that no crash loses it.

The coming passphrase is kept beside the current one while the database is encrypted anew. Whatever comes, one of
the two opens the database; `settle` finds out which and ends the change.
"""

from __future__ import annotations

from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.connection import connect, generate_passphrase, opens, rekey
from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.passphrase.record import TierName, read_record, update_record
from terok_sandbox.vault.passphrase.session import provision_lock, read_session, resolve, write_session
from terok_sandbox.vault.passphrase.tiers import FileTier, Tier, tier_named


def change_passphrase(cfg: SandboxConfig, new: str | None = None) -> str:
    """Encrypt the vault with `new`, or with a random passphrase, and return it; nothing has changed on a VaultError."""
    if cfg.credentials_passphrase_command:
        raise VaultError(
            "the passphrase comes from the configured passphrase_command and cannot be changed here",
            hint="remove credentials.passphrase_command from config.yml first",
        )
    settle(cfg)
    if new is None and read_record(cfg).tier == "none":
        raise VaultError(
            "no durable tier keeps the vault's passphrase, so a reboot would lose a random new one",
            hint="choose one with --ask, or keep it first: `terok-sandbox vault passphrase to-file`",
        )
    with provision_lock(cfg):
        old, new = resolve(cfg).passphrase, new or generate_passphrase()
        connect(cfg.db_path, old).close()
        keeper = _keeper(cfg)
        keeper.write(new, coming=True)
        update_record(cfg, rekeying=True)
        try:
            rekey(cfg.db_path, old, new)
        except VaultError:
            if opens(cfg.db_path, old):
                keeper.clear(coming=True)
                update_record(cfg, rekeying=False)
            raise
        _make_current(cfg, keeper, new)
        write_session(cfg, new)
        keeper.clear(coming=True)
        update_record(cfg, rekeying=False, acknowledged=False, locked=False)
    return new


def settle(cfg: SandboxConfig) -> bool:
    """End a change that a crash interrupted; False without one, or in a locked vault."""
    record = read_record(cfg)
    if not record.rekeying or record.locked:
        return False
    with provision_lock(cfg):
        if not read_record(cfg).rekeying:
            return True
        keeper = _keeper(cfg)
        coming = keeper.read(coming=True)
        current = keeper.read() or read_session(cfg.vault_session_file)
        right = next((one for one in (coming, current) if one and opens(cfg.db_path, one)), None)
        if right is None:
            raise VaultError(
                "a change of the vault's passphrase was interrupted, and neither the old nor the new one opens it",
                hint="run `terok-sandbox vault unlock --recover` with the recovery key",
            )
        _make_current(cfg, keeper, right)
        write_session(cfg, right)
        keeper.clear(coming=True)
        update_record(cfg, rekeying=False, **({"acknowledged": False} if right == coming else {}))
    return True


def move_to(cfg: SandboxConfig, name: TierName, *, key: str = "auto") -> TierName:
    """Keep the passphrase in the tier `name` from now on, and return the tier that held it before and forgets it."""
    settle(cfg)
    with provision_lock(cfg):
        passphrase = resolve(cfg).passphrase
        connect(cfg.db_path, passphrase).close()
        before = read_record(cfg)
        tier = tier_named(cfg, name, key=key)
        if tier is not None:
            if not tier.available():
                raise VaultError(
                    f"this machine does not offer the tier {name}", hint="see `terok-sandbox vault status`"
                )
            tier.write(passphrase)
            if tier.read() != passphrase:
                raise VaultError(f"the tier {name} does not give back what it was given")
        elif not before.acknowledged:
            raise VaultError(
                "without a durable tier only the recovery key opens the vault after a reboot, and nobody has it yet",
                hint="run `terok-sandbox vault passphrase reveal`, then `… acknowledge`",
            )
        update_record(cfg, tier=name)
        if before.tier != name and (old := tier_named(cfg, before.tier)) is not None:
            old.clear()
    return before.tier


def _keeper(cfg: SandboxConfig) -> Tier:
    """Return the tier that keeps the values during a change; a vault without one borrows the file."""
    return tier_named(cfg, read_record(cfg).tier) or FileTier(cfg)


def _make_current(cfg: SandboxConfig, keeper: Tier, passphrase: str) -> None:
    if read_record(cfg).tier != "none":
        keeper.write(passphrase)
