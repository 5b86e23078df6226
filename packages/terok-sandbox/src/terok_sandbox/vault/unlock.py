"""Where the vault's passphrase comes from.

First right answer wins: the session file (owner-only, on the runtime directory's tmpfs; a copy of what another tier
gave), the durable tier of the record (`vault.passphrase`), the configured `passphrase_command`, and for interactive
commands a question on the terminal. Supervisors are given the path of the session file only.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from terok_util import TerokError, UsageError, ensure_dir, write_sensitive_file

from terok_sandbox.vault.connection import generate_passphrase, is_generated, opens
from terok_sandbox.vault.errors import VaultError, VaultLocked, VaultMissing, WrongPassphrase
from terok_sandbox.vault.passphrase.change import provision_lock, settle
from terok_sandbox.vault.passphrase.record import TIERS, TierName, read_record, update_record
from terok_sandbox.vault.passphrase.tiers import FileTier, SystemdCredsTier, best_tier, tier_named
from terok_sandbox.vault.secret_file import MAX_BYTES, leave_no_core, one_line, read_secret_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from terok_sandbox.config import SandboxConfig
    from terok_sandbox.vault.store import CredentialDB

T = TypeVar("T")
Tier = Literal["session", "systemd-creds", "keyring", "file", "command", "prompt", "generated"]

COMMAND_SECONDS: Final = 30.0
MAX_SECRET_BYTES: Final = 64 * 1024
_UNLOCK_HINT = "run `terok-sandbox vault unlock`"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A passphrase and the tier that gave it."""

    passphrase: str
    tier: Tier


def resolve_passphrase(cfg: SandboxConfig, *, interactive: bool = False) -> str:
    """Return the passphrase of the vault; raises as `resolve` does."""
    return resolve(cfg, interactive=interactive).passphrase


def resolve(cfg: SandboxConfig, *, interactive: bool = False) -> Resolved:
    """Return the passphrase of the vault from the first tier that has the right one, and which that is.

    A wrong one is named in a warning and passed over. A tier that fails otherwise ends the search: what it would have
    said is not known.

    Raises:
        VaultLocked: no tier has one.
        WrongPassphrase: tiers have one, and none opens the vault.
        VaultError: the session file cannot be trusted, or the command failed.

    """

    def proved(found: Resolved) -> Resolved:
        if found.tier != "prompt" and not _may_open(cfg, found.passphrase):
            raise WrongPassphrase("it does not open the vault")
        return found

    return _first(cfg, proved, interactive=interactive)


def _first(cfg: SandboxConfig, use: Callable[[Resolved], T], *, interactive: bool) -> T:
    """Return what `use` makes of the first passphrase for which it does not raise WrongPassphrase."""
    wrong = []
    for found in _kept(cfg):
        try:
            return use(found)
        except WrongPassphrase:
            wrong.append(f"the {found.tier} tier")
            import logging

            log = logging.getLogger(__name__)
            log.warning("the passphrase of %s does not open the vault; looking further", wrong[-1])
    if interactive and sys.stdin.isatty():
        return use(Resolved(ask_passphrase("Vault passphrase: "), "prompt"))
    if wrong:
        raise WrongPassphrase(
            f"the passphrase of {' and of '.join(wrong)} does not open the vault {cfg.db_path}", hint=_UNLOCK_HINT
        )
    raise VaultLocked("the vault is locked: no passphrase is at hand", hint=_UNLOCK_HINT)


def _kept(cfg: SandboxConfig) -> Iterator[Resolved]:
    if (passphrase := read_session(cfg.vault_session_file)) is not None:
        yield Resolved(passphrase, "session")
    record = read_record(cfg)
    if record.locked:
        return
    if (tier := tier_named(cfg, record.tier)) and (found := tier.read()) is not None:
        yield Resolved(found, tier.name)  # type: ignore[arg-type]
    if cfg.credentials_passphrase_command:
        yield Resolved(_from_command(cfg.credentials_passphrase_command), "command")


def _may_open(cfg: SandboxConfig, passphrase: str) -> bool:
    """Whether the passphrase is not known to be wrong; whatever else is amiss is for the opening itself to say."""
    if cfg.db_path.exists() and cfg.db_path.stat().st_size:
        with suppress(VaultError):
            return opens(cfg.db_path, passphrase)
    return True


def open_vault(cfg: SandboxConfig, *, interactive: bool = False) -> CredentialDB:
    """Open the credential database with the resolved passphrase; the caller closes it.

    Raises:
        VaultMissing: nothing has been stored yet.
        VaultLocked, WrongPassphrase: as their names say.

    """
    from terok_sandbox.vault.store import CredentialDB

    if not cfg.db_path.exists():
        raise VaultMissing(
            f"there is no vault at {cfg.db_path}",
            hint="store a first credential with `terok-sandbox vault set PROVIDER`",
        )
    settle(cfg)
    return _first(cfg, lambda found: CredentialDB(cfg.db_path, found.passphrase), interactive=interactive)


def open_resolved(cfg: SandboxConfig) -> tuple[Resolved, CredentialDB]:
    """Open the credential database, once, and return the passphrase that did it too; asks nobody, raises as above."""
    from terok_sandbox.vault.store import CredentialDB

    return _first(cfg, lambda found: (found, CredentialDB(cfg.db_path, found.passphrase)), interactive=False)


def provision_session(cfg: SandboxConfig, *, interactive: bool = False, tier: TierName | None = None) -> Path:
    """Make sure that a vault exists, opens, and has a session file; return the session file's path.

    Idempotent and safe against a second process doing the same. Without a database, one is created with a passphrase
    from the configured command, or else with a random one that is kept in `tier` (default: the strongest durable tier
    of this machine), so that a reboot does not lose it.

    Raises:
        VaultLocked: the database exists and no tier has its passphrase.
        WrongPassphrase: no tier's passphrase is the database's.

    """
    from terok_sandbox.vault.store import CredentialDB

    _ensure_private_dir(cfg.vault_dir)
    settle(cfg)
    with provision_lock(cfg):
        if cfg.db_path.exists():
            resolved = resolve(cfg, interactive=interactive)
            CredentialDB(cfg.db_path, resolved.passphrase).close()
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
        return Resolved(_from_command(cfg.credentials_passphrase_command), "command")
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


def read_session(path: Path) -> str | None:
    """Return the passphrase in a session file, or None if there is no file.

    Raises:
        VaultError: a symlink, not a regular file, another owner, open to others, empty or too large.

    """
    return read_secret_file(path, "the session file")


def write_session(cfg: SandboxConfig, passphrase: str) -> None:
    """Keep the passphrase for this session."""
    _ensure_private_dir(cfg.vault_session_file.parent)
    write_sensitive_file(cfg.vault_session_file, passphrase + "\n")


def passphrase_is_kept(cfg: SandboxConfig) -> bool:
    """Tell whether the passphrase outlives the session file: in a durable tier, a command, or the user's notes."""
    record = read_record(cfg)
    if record.tier != "none" or record.acknowledged or cfg.credentials_passphrase_command:
        return True
    return not is_generated(read_session(cfg.vault_session_file) or "")


def drop_session(cfg: SandboxConfig) -> bool:
    """Forget the session's passphrase; running brokers notice and lock. False if there was none."""
    try:
        cfg.vault_session_file.unlink()
    except FileNotFoundError:
        return False
    return True


def ask_passphrase(question: str) -> str:
    """Ask on the terminal without echo."""
    import getpass

    leave_no_core()
    try:
        return one_line(getpass.getpass(question).encode(), "the answer")
    except EOFError:
        raise VaultLocked("no passphrase was given", hint=_UNLOCK_HINT) from None


def confirmed(question: str) -> bool:
    """Ask for a yes on the terminal; False where there is none, and for anything but a yes."""
    if not sys.stdin.isatty():
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def read_secret(question: str, what: str) -> str:
    """Read one line from standard input, or ask for it where standard input is a terminal; UsageError for more."""
    if sys.stdin.isatty():
        return ask_passphrase(question)
    leave_no_core()
    text = sys.stdin.read(MAX_SECRET_BYTES + 1).strip()
    if not text or "\n" in text or len(text) > MAX_SECRET_BYTES:
        raise UsageError(f"standard input must hold the {what} and nothing else", hint=f"for instance: … < {what}.txt")
    return text


def _from_command(command: tuple[str, ...]) -> str:
    from terok_util import process

    try:
        done = process.run(list(command), timeout=COMMAND_SECONDS, max_output=MAX_BYTES)
    except TerokError as error:
        raise VaultError(
            f"the passphrase command {command[0]!r} failed",
            hint="run it by hand; it must print the passphrase and exit 0",
        ) from error
    return one_line(done.stdout, f"the passphrase command {command[0]!r}")


def _ensure_private_dir(path: Path) -> None:
    try:
        ensure_dir(path, 0o700)
    except (OSError, TerokError) as error:
        raise VaultError(f"the directory {path} cannot be made: {error}") from error
