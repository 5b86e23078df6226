"""Where the vault's passphrase comes from.

First right answer wins: the session file (a copy of what another tier gave), the durable tier of the record, the
configured `passphrase_command`, and for interactive commands a question on the terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar

from terok_util import FileLock, TerokError, ensure_dir, may_ask, write_sensitive_file

from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.connection import opens
from terok_sandbox.vault.errors import VaultError, VaultLocked, WrongPassphrase
from terok_sandbox.vault.passphrase.record import read_record
from terok_sandbox.vault.passphrase.tiers import MAX_BYTES, leave_no_core, one_line, read_secret_file, tier_named

T = TypeVar("T")
Tier = Literal["session", "systemd-creds", "keyring", "file", "command", "prompt", "generated"]

COMMAND_SECONDS: Final = 30.0
LOCK_SECONDS: Final = 30.0
_UNLOCK_HINT = "run `terok-sandbox vault unlock`"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A passphrase and the tier that gave it."""

    passphrase: str
    tier: Tier


def resolve(cfg: SandboxConfig, *, interactive: bool = False) -> Resolved:
    """Return the passphrase of the vault from the first tier that has the right one, and which that is.

    A wrong one is named in a warning and passed over. A tier that fails otherwise ends the search with its VaultError.
    Raises VaultLocked if no tier has one, WrongPassphrase if none opens the vault.
    """

    def proved(found: Resolved) -> Resolved:
        if found.tier != "prompt" and not _may_open(cfg, found.passphrase):
            raise WrongPassphrase("it does not open the vault")
        return found

    return try_passphrases(cfg, proved, interactive=interactive)


def try_passphrases(cfg: SandboxConfig, use: Callable[[Resolved], T], *, interactive: bool) -> T:
    """Return the result of `use` for the first passphrase with which it does not raise WrongPassphrase."""
    wrong = []
    for found in _kept(cfg):
        try:
            return use(found)
        except WrongPassphrase:
            wrong.append(f"the {found.tier} tier")
            import logging

            log = logging.getLogger(__name__)
            log.warning("the passphrase of %s does not open the vault; looking further", wrong[-1])
    if interactive and may_ask():
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
        yield Resolved(passphrase_from_command(cfg.credentials_passphrase_command), "command")


def _may_open(cfg: SandboxConfig, passphrase: str) -> bool:
    """Whether the passphrase is not known to be wrong; whatever else is amiss is for the opening itself to say."""
    if cfg.db_path.exists() and cfg.db_path.stat().st_size:
        with suppress(VaultError):
            return opens(cfg.db_path, passphrase)
    return True


def read_session(path: Path) -> str | None:
    """Return the passphrase in a session file, None if there is no file; raises as `read_secret_file` does."""
    return read_secret_file(path, "the session file")


def write_session(cfg: SandboxConfig, passphrase: str) -> None:
    """Keep the passphrase for this session."""
    ensure_private_dir(cfg.vault_session_file.parent)
    write_sensitive_file(cfg.vault_session_file, passphrase + "\n")


def ask_passphrase(question: str) -> str:
    """Ask on the terminal without echo."""
    import getpass

    leave_no_core()
    try:
        return one_line(getpass.getpass(question).encode(), "the answer")
    except EOFError:
        raise VaultLocked("no passphrase was given", hint=_UNLOCK_HINT) from None


def provision_lock(cfg: SandboxConfig) -> FileLock:
    """Return the lock under which passphrase, record and tiers change together."""
    return FileLock(cfg.vault_dir / ".provision.lock", timeout=LOCK_SECONDS)


def passphrase_from_command(command: tuple[str, ...]) -> str:
    """Return the passphrase that the configured command prints; VaultError if the command fails."""
    from terok_util import process

    try:
        done = process.run(list(command), timeout=COMMAND_SECONDS, max_output=MAX_BYTES)
    except TerokError as error:
        raise VaultError(
            f"the passphrase command {command[0]!r} failed",
            hint="run it by hand; it must print the passphrase and exit 0",
        ) from error
    return one_line(done.stdout, f"the passphrase command {command[0]!r}")


def ensure_private_dir(path: Path) -> None:
    """Make a directory for this user only, if it is not there; VaultError if it cannot be one."""
    try:
        ensure_dir(path, 0o700)
    except (OSError, TerokError) as error:
        raise VaultError(f"the directory {path} cannot be made: {error}") from error
