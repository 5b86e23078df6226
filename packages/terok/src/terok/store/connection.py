"""Opening the database file, and turning SQLite's errors into ours."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from terok_util import ExposedFile, ensure_dir, open_private

from terok.errors import StoreBusy, StoreDamaged, StoreError, StoreNewer
from terok.store.schema import APPLICATION, MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUSY_SECONDS: Final = 5.0
_MAGIC: Final = b"SQLite format 3\x00"


def connect(path: Path, *, create: bool) -> sqlite3.Connection:
    """Open the database at `path`, with all migrations; without `create`, a missing one is an empty one in memory.

    The connection is in autocommit mode, and may be used by one thread at a time.

    Raises:
        StoreNewer, StoreDamaged, StoreBusy: As their names say.
        StoreError: The file is open to others, another user's, or cannot be read or written.
    """
    place = _checked(path, create=create)
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
        raise StoreError(f"{path} cannot be used: {text}") from error
    except sqlite3.IntegrityError as error:
        raise StoreError(f"{path} refused a row: {error}") from error
    except sqlite3.DatabaseError as error:
        raise StoreDamaged(
            f"{path} is damaged: {error}", hint="restore it from a backup, or move it away; containers are not touched"
        ) from error


def _checked(path: Path, *, create: bool) -> str:
    """Look at the file before SQLite does, and return what to open."""
    try:
        if create:
            ensure_dir(path.parent)
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_CREAT | os.O_EXCL, 0o600))
        with open_private(path) as file:
            head = file.read(len(_MAGIC))
    except FileNotFoundError:
        return ":memory:"
    except ExposedFile as error:
        raise StoreError(f"other users can read {path}", hint=f"chmod 600 {path}") from error
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror}") from error
    if head and head != _MAGIC:
        raise StoreDamaged(f"{path} is damaged, or was never a database", hint="move it away; see `terok task list`")
    return str(path)


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
        raise StoreDamaged(f"{path} is the database of another program", hint="move it away")
    if version > len(MIGRATIONS):
        raise StoreNewer(
            f"{path} was written by a newer version of terok (schema {version}, known is {len(MIGRATIONS)})",
            hint="upgrade terok: `terok --version` shows what runs",
        )
    return int(version)
