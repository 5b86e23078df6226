"""Where the vault's passphrase is kept, as a value without the passphrase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.passphrase.record import TierName, read_record
from terok_sandbox.vault.passphrase.tiers import tiers


@dataclass(frozen=True, slots=True)
class PassphraseKept:
    """The durable tier in use and those of this machine, each with whether it is there.

    `locked` suspends the tier until the vault is unlocked. `session` says whether there is a session file, `command`
    whether a program is configured that gives the passphrase.
    """

    tier: TierName
    acknowledged: bool
    locked: bool
    rekeying: bool
    session: bool
    command: bool
    available: Mapping[str, bool]

    @classmethod
    def look(cls, cfg: SandboxConfig) -> PassphraseKept:
        """Look at the tiers of this machine; VaultError for a record that cannot be trusted."""
        record = read_record(cfg)
        return cls(
            tier=record.tier,
            acknowledged=record.acknowledged,
            locked=record.locked,
            rekeying=record.rekeying,
            session=cfg.vault_session_file.exists(),
            command=bool(cfg.credentials_passphrase_command),
            available={tier.name: tier.available() for tier in tiers(cfg)},
        )
