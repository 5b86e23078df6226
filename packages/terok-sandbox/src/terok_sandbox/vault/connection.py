"""Opening the encrypted database file, and turning SQLite's errors into ours."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlcipher3 import dbapi2
from terok_util import ExposedFile, open_private

from terok_sandbox.vault import errors
from terok_sandbox.vault.errors import CorruptDatabase, VaultError, WrongPassphrase

BUSY_SECONDS = 5.0
_PLAINTEXT_MAGIC = b"SQLite format 3\x00"
_SALT_BYTES = 16
_PAGE_BYTES = 4096
_MAX_PASSPHRASE = 1024
_RESTORE = "restore it from a backup, or move it away and store the keys anew"
# A generated passphrase already is a 256-bit key. Handing it over as one skips the password hashing, which costs a
# quarter of a second at every opening and protects only what a person made up.
_RAW_KEY = re.compile(r"tvk-([0-9a-f]{64})")


def is_generated(passphrase: str) -> bool:
    """Tell whether a passphrase has the form of a generated one."""
    return _RAW_KEY.fullmatch(passphrase) is not None


def generate_passphrase() -> str:
    """Return a new random passphrase: 256 bits, recognized as a key that needs no stretching."""
    return "tvk-" + os.urandom(32).hex()


def connect(path: Path, passphrase: str, *, create: bool = False) -> Any:
    """Open the database at `path` and prove that the passphrase decrypts it; raises VaultError and its children.

    The connection is in autocommit mode and waits at most BUSY_SECONDS for a lock. It may be used from another thread
    than the one that opened it, by one thread at a time.
    """
    _check_file(path, create=create)
    key = _key_literal(passphrase)
    with translated(path):
        connection = dbapi2.connect(
            str(path), timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=64
        )
    try:
        with translated(path):
            connection.execute("PRAGMA cipher_log_level = NONE")  # it writes to stderr; errors are raised below
            connection.execute(f"PRAGMA key = {key}")
            try:
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            except dbapi2.DatabaseError as error:
                if "not a database" not in str(error):
                    raise
                raise WrongPassphrase(
                    f"the passphrase does not open the vault {path}",
                    hint="run `terok-sandbox vault unlock` with the passphrase this vault was created with",
                ) from None
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def opens(path: Path, passphrase: str) -> bool:
    """Tell whether a passphrase opens the database; raises as `connect` does for everything but a wrong one."""
    try:
        connect(path, passphrase).close()
    except WrongPassphrase:
        return False
    return True


def rekey(path: Path, old: str, new: str) -> None:
    """Encrypt the database anew, in one transaction; VaultBusy if another process has it open: nothing has changed."""
    connection = connect(path, old)
    try:
        with translated(path):
            # Leaving WAL needs the file for oneself: a reader with the old key would take new pages for damage.
            connection.execute("PRAGMA journal_mode = DELETE").fetchone()
            connection.execute(f"PRAGMA rekey = {_key_literal(new)}")
    finally:
        connection.close()
    connect(path, new).close()


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise VaultError's children for the database errors of the block."""
    try:
        yield
    except dbapi2.OperationalError as error:
        text = str(error)
        if "locked" in text or "busy" in text:
            hint = "run the command again; `terok-sandbox vault status` shows whether the vault answers"
            held = f"the vault {path} was held by another process for more than {BUSY_SECONDS:g} s"
            raise errors.VaultBusy(held, hint=hint) from error
        if "disk" in text and "full" in text:
            raise VaultError(f"no space left to write the vault {path}", hint="free some space and retry") from error
        raise VaultError(f"the vault {path} cannot be used: {text}") from error
    except dbapi2.IntegrityError as error:
        raise VaultError(f"the vault {path} refused a row: {error}") from error
    except dbapi2.DatabaseError as error:
        raise CorruptDatabase(f"the vault {path} is damaged: {error}", hint=_RESTORE) from error


def _check_file(path: Path, *, create: bool) -> None:
    """Look at the file before SQLite does; with `create`, make an owner-only empty one if there is none."""
    made = False
    try:
        if create:
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_CREAT | os.O_EXCL, 0o600))
                made = True
        with open_private(path) as file:
            size, head = os.fstat(file.fileno()).st_size, file.read(_SALT_BYTES)
    except FileNotFoundError:
        raise errors.VaultMissing(
            f"there is no vault at {path}", hint="store a first credential with `terok-sandbox vault set PROVIDER`"
        ) from None
    except ExposedFile as error:
        raise VaultError(f"the vault {path} can be read by other users", hint=f"run `chmod 600 {path}`") from error
    except OSError as error:
        raise VaultError(f"the vault {path} cannot be opened: {error.strerror}") from error
    if head == _PLAINTEXT_MAGIC:
        raise errors.PlaintextDatabase(
            f"{path} is an unencrypted SQLite database",
            hint="move it away; the vault only opens files it encrypted itself",
        )
    if size % _PAGE_BYTES or not (size or made):
        raise CorruptDatabase(f"the vault {path} is truncated ({size} bytes)", hint=_RESTORE)


def _key_literal(passphrase: str) -> str:
    """Return the SQL literal that gives SQLCipher the key."""
    if not 0 < len(passphrase) <= _MAX_PASSPHRASE or "\x00" in passphrase:
        raise WrongPassphrase(f"a vault passphrase has 1 to {_MAX_PASSPHRASE} characters and no NUL")
    if match := _RAW_KEY.fullmatch(passphrase):
        return f"\"x'{match[1]}'\""
    return "'" + passphrase.replace("'", "''") + "'"
