"""The state of the vault, told without raising for a locked or missing one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.errors import VaultError, VaultLocked
from terok_sandbox.vault.passphrase.record import PassphraseRecord, read_record
from terok_sandbox.vault.passphrase.session import Tier
from terok_sandbox.vault.store import CredentialRow
from terok_sandbox.vault.unlock import open_resolved, passphrase_is_kept

State = Literal["unprovisioned", "locked", "unlocked", "error"]


@dataclass(frozen=True, slots=True)
class VaultStatus:
    """State of the vault, the tier that unlocked it, and what it holds.

    `problem` and `hint` explain the states `locked` and `error`.
    """

    state: State
    db_path: str
    tier: Tier | None = None
    credentials: tuple[CredentialRow, ...] = ()
    token_count: int = 0
    durable_tier: str = "none"
    recovery_acknowledged: bool = False
    warnings: tuple[str, ...] = ()
    problem: str | None = None
    hint: str | None = None

    @classmethod
    def load(cls, cfg: SandboxConfig) -> VaultStatus:
        """Inspect the vault without asking for a passphrase and without raising if it does not open."""
        path = str(cfg.db_path)
        if not cfg.db_path.exists():
            return cls("unprovisioned", path)
        record = PassphraseRecord()
        try:
            record = read_record(cfg)
            resolved, database = open_resolved(cfg)
            with database:
                rows, tokens = tuple(database.list_credentials()), database.list_tokens()
        except VaultError as error:
            state: State = "locked" if isinstance(error, VaultLocked) else "error"
            return cls(state, path, durable_tier=record.tier, problem=error.message, hint=error.hint)
        return cls(
            "unlocked",
            path,
            tier=resolved.tier,
            credentials=rows,
            token_count=len(tokens),
            durable_tier=record.tier,
            recovery_acknowledged=record.acknowledged,
            warnings=_warnings(cfg, record, resolved.tier),
        )


def _warnings(cfg: SandboxConfig, record: PassphraseRecord, tier: Tier) -> tuple[str, ...]:
    found = []
    if tier != "session" and cfg.vault_session_file.exists():
        found.append("the session file has a wrong passphrase: containers are locked out until `vault unlock`")
    if not passphrase_is_kept(cfg):
        found.append("the passphrase is in the session file only: a reboot loses every credential")
    if record.rekeying:
        found.append("a change of the passphrase was interrupted: the next command that opens the vault ends it")
    if not record.acknowledged and not cfg.credentials_passphrase_command:
        found.append("the recovery key was not written down: `vault passphrase reveal`, then `… acknowledge`")
    return tuple(found)
