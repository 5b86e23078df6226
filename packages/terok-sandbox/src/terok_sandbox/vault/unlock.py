"""Opening the vault, and making it and its session file if they are not there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from terok_util import UsageError, may_ask, refuse_terminal

from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.connection import generate_passphrase, is_generated
from terok_sandbox.vault.errors import VaultMissing
from terok_sandbox.vault.passphrase import session
from terok_sandbox.vault.passphrase.change import settle
from terok_sandbox.vault.passphrase.record import TIERS, TierName, read_record, update_record
from terok_sandbox.vault.passphrase.session import Resolved, read_session, resolve, write_session
from terok_sandbox.vault.passphrase.tiers import FileTier, SystemdCredsTier, best_tier, leave_no_core, tier_named
from terok_sandbox.vault.store import CredentialDB

MAX_SECRET_BYTES: Final = 64 * 1024


def resolve_passphrase(cfg: SandboxConfig, *, interactive: bool = False) -> str:
    """Return the passphrase of the vault; raises as `resolve` does."""
    return resolve(cfg, interactive=interactive).passphrase


def open_vault(cfg: SandboxConfig, *, interactive: bool = False) -> CredentialDB:
    """Open the credential database with the resolved passphrase; the caller closes it; raises VaultError."""
    if not cfg.db_path.exists():
        raise VaultMissing(
            f"there is no vault at {cfg.db_path}",
            hint="store a first credential with `terok-sandbox vault set PROVIDER`",
        )
    settle(cfg)
    return open_resolved(cfg, interactive=interactive)[1]


def open_resolved(cfg: SandboxConfig, *, interactive: bool = False) -> tuple[Resolved, CredentialDB]:
    """Open the credential database, once, and return the passphrase that did it too; raises as above."""

    def opened(found: Resolved) -> tuple[Resolved, CredentialDB]:
        return found, CredentialDB(cfg.db_path, found.passphrase)

    return session.try_passphrases(cfg, opened, interactive=interactive)


def provision_session(cfg: SandboxConfig, *, interactive: bool = False, tier: TierName | None = None) -> Path:
    """Make sure that a vault exists, opens, and has a session file; return the session file's path.

    Idempotent, also beside another process. A new vault gets the passphrase of the configured command, or a random one
    that is kept in `tier` (default: the strongest durable tier here). Raises VaultLocked and WrongPassphrase.
    """
    session.ensure_private_dir(cfg.vault_dir)
    settle(cfg)
    with session.provision_lock(cfg):
        if cfg.db_path.exists():
            resolved, database = open_resolved(cfg, interactive=interactive)
            database.close()
        else:
            resolved = _of_new_vault(cfg)
            # The passphrase is safe before anything is encrypted with it.
            _keep(cfg, resolved, tier)
            # Under its name only when it is whole: an empty file there is damage, not a vault that is being made.
            coming = cfg.db_path.with_name(cfg.db_path.name + ".new")
            coming.unlink(missing_ok=True)
            CredentialDB(coming, resolved.passphrase, create=True).close()
            coming.rename(cfg.db_path)
        if resolved.tier != "session":
            write_session(cfg, resolved.passphrase)
    return cfg.vault_session_file


def _of_new_vault(cfg: SandboxConfig) -> Resolved:
    """Return the passphrase for a vault that is not there yet.

    One that is kept already is taken, and never written over: it may be the only one that opens a vault which somebody
    is about to put back.
    """
    for tier in (tier_named(cfg, read_record(cfg).tier), SystemdCredsTier(cfg), FileTier(cfg)):
        if tier is not None and (found := tier.read()) is not None:
            return Resolved(found, tier.name)  # type: ignore[arg-type]
    if cfg.credentials_passphrase_command:
        return Resolved(session.passphrase_from_command(cfg.credentials_passphrase_command), "command")
    if (found := read_session(cfg.vault_session_file)) is not None:
        return Resolved(found, "generated" if is_generated(found) else "session")
    return Resolved(generate_passphrase(), "generated")


def _keep(cfg: SandboxConfig, resolved: Resolved, name: TierName | None) -> None:
    if resolved.tier == "generated":
        tier = best_tier(cfg) if name is None else tier_named(cfg, name)
        if tier is not None:
            tier.write(resolved.passphrase)
        update_record(cfg, tier="none" if tier is None else tier.name, acknowledged=False, locked=False)
    elif resolved.tier in TIERS:
        update_record(cfg, tier=resolved.tier, locked=False)
    if resolved.tier != "session":
        write_session(cfg, resolved.passphrase)


def passphrase_is_kept(cfg: SandboxConfig) -> bool:
    """Tell whether the passphrase outlives the session file: in a durable tier, a command, or the user's notes."""
    record = read_record(cfg)
    if record.tier != "none" or record.acknowledged or cfg.credentials_passphrase_command:
        return True
    return not is_generated(read_session(cfg.vault_session_file) or "")


def drop_session(cfg: SandboxConfig) -> bool:
    """Forget the session's passphrase; running brokers notice and lock. False if there was none."""
    existed = cfg.vault_session_file.exists()
    cfg.vault_session_file.unlink(missing_ok=True)
    return existed


def say(text: str) -> None:
    """Print the outcome of a verb."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """Print what a person should know besides, on standard error."""
    sys.stderr.write(f"note: {text}\n")


def confirmed(question: str) -> bool:
    """Ask for a yes on the terminal; False where there is none, and for anything but a yes."""
    if not may_ask():
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def read_secret(question: str, what: str) -> str:
    """Read one line from standard input, or ask for it where standard input is a terminal; UsageError for more."""
    if may_ask():
        return session.ask_passphrase(question)
    refuse_terminal(what)
    leave_no_core()
    text = sys.stdin.read(MAX_SECRET_BYTES + 1).strip()
    if not text or "\n" in text or len(text) > MAX_SECRET_BYTES:
        raise UsageError(f"standard input must hold the {what} and nothing else", hint=f"for instance: … < {what}.txt")
    return text
