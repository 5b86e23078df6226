"""The passphrase record: its durable tier, whether it was written down, and whether it is locked or changing."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final, Literal

from terok_util import atomic_write, ensure_dir, lean_dataclass

from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.errors import VaultError

TierName = Literal["systemd-creds", "keyring", "file", "none"]
TIERS: Final[tuple[TierName, ...]] = ("systemd-creds", "keyring", "file", "none")


@lean_dataclass(frozen=True, slots=True)
class PassphraseRecord:
    """`tier` keeps the passphrase across reboots; `none` means nobody but the user does.

    `acknowledged` says that the user has written the recovery key down. `locked` suspends the tier until
    `vault unlock`. `rekeying` is set while a change of the passphrase is under way.
    """

    tier: TierName = "none"
    acknowledged: bool = False
    locked: bool = False
    rekeying: bool = False


def record_path(cfg: SandboxConfig) -> Path:
    """Return the record's file."""
    return cfg.vault_dir / "passphrase.json"


def read_record(cfg: SandboxConfig) -> PassphraseRecord:
    """Return the record; a vault without one has no durable tier. Raises VaultError for a file it cannot trust."""
    path = record_path(cfg)
    try:
        document = json.loads(path.read_bytes())
        record = PassphraseRecord(**document)
    except FileNotFoundError:
        return PassphraseRecord()
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise VaultError(f"{path} is damaged: {error}", hint=_DAMAGED) from error
    flags = (record.acknowledged, record.locked, record.rekeying)
    if record.tier not in TIERS or not all(isinstance(flag, bool) for flag in flags):
        raise VaultError(f"{path} is damaged", hint=_DAMAGED)
    return record


def update_record(cfg: SandboxConfig, **changes: object) -> PassphraseRecord:
    """Write the record with `changes` and return it."""
    record = replace(read_record(cfg), **changes)  # type: ignore[arg-type]
    ensure_dir(cfg.vault_dir, 0o700)
    atomic_write(record_path(cfg), json.dumps(asdict(record)) + "\n", mode=0o600)
    return record


_DAMAGED = "move it away and run `terok-sandbox vault unlock` with the passphrase"
