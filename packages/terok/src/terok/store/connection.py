"""Opening the database file, and turning SQLite's errors into ours."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from terok_util import ensure_dir

from terok.errors import StoreBusy, StoreDamaged, StoreError, StoreNewer
from terok.store.schema import APPLICATION, MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUSY_SECONDS: Final = 5.0


def connect(path: Path, *, create: bool) -> sqlite3.Connection | None:
    """Open the database at `path`, with all migrations; None, without `create`, if there is none.

    The connection is in autocommit mode, and may be used by one thread at a time.

    Raises:
        StoreNewer, StoreDamaged, StoreBusy: As their names say.
        StoreError: The file is open to others, another user's, or cannot be read or written.
    """
    return _opened(str(path), path) if _check(path, create=create) else None


def empty(path: Path) -> sqlite3.Connection:
    """Return an empty database in memory, in the place of the one at `path`."""
    return _opened(":memory:", path)


def _opened(place: str, path: Path) -> sqlite3.Connection:
    with translated(path):
        connection = sqlite3.connect(
            place, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=64
        )
    try:
        with translated(path):
            _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise StoreError's children for the errors of SQLite in the block."""
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "locked" in text or "busy" in text:
            raise StoreBusy(
                f"another process has held {path} for more than {BUSY_SECONDS:g} s", hint="run the command again"
            ) from error
        if "full" in text or "disk I/O" in text:
            raise StoreError(f"{path} cannot be written: {text}", hint="free some disk space and try again") from error
        raise StoreError(f"{path} cannot be used: {text}", hint="run `terok sickbay`") from error
    except sqlite3.IntegrityError as error:
        raise StoreError(f"{path} refused a row: {error}", hint="see `terok task list`") from error
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:  # a fault of ours, such as a value that does not fit
            raise StoreError(f"{path} cannot be used: {error}", hint="run `terok sickbay`") from error
        raise StoreDamaged(
            f"{path} is damaged, or was never a database: {error}",
            hint="restore it from a backup, or move it away; containers are not touched",
        ) from error


def _check(path: Path, *, create: bool) -> bool:
    """Look at the file before SQLite does, make it if `create` says so, and return whether it is there.

    A file that exists is not opened: closing any descriptor of it would end the locks that another connection of
    this process has on it.
    """
    try:
        if create:
            ensure_dir(path.parent)
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_CREAT | os.O_EXCL, 0o600))
        facts = path.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror}", hint="run `terok sickbay`") from error
    if not stat.S_ISREG(facts.st_mode):
        raise StoreDamaged(f"{path} is not a regular file", hint=f"move {path} away")
    if facts.st_uid != os.geteuid():
        raise StoreError(f"{path} belongs to user {facts.st_uid}", hint=f"sudo chown {os.geteuid()} {path}")
    if facts.st_mode & 0o077:
        raise StoreError(f"other users can read {path}", hint=f"chmod 600 {path}")
    return True


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    for pragma in ("foreign_keys = ON", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")
    if _version(connection, path) == len(MIGRATIONS):
        return
    connection.execute("PRAGMA journal_mode = WAL").fetchone()
    connection.execute("BEGIN IMMEDIATE")
    try:
        done = _version(connection, path)  # another process may have been faster
        for migration in MIGRATIONS[done:]:
            for statement in migration:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection, path: Path) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION:
        raise StoreDamaged(f"{path} is the database of another program", hint=f"move {path} away")
    if version > len(MIGRATIONS):
        raise StoreNewer(
            f"{path} was written by a newer version of terok (schema {version}, known is {len(MIGRATIONS)})",
            hint="upgrade terok: `terok --version` shows what runs",
        )
    return int(version)
