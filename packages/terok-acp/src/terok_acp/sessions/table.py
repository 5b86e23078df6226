"""The sessions of one container in an SQLite database, kept by one process at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, fields
from pathlib import Path
from typing import Final

from terok_util import FileError, FileLock, LockTimeout, ensure_dir, write_sensitive_file

from terok_acp.errors import SessionsError, TableBusy
from terok_acp.sessions.row import SessionRow
from terok_acp.sessions.transcripts import Transcripts

_SCHEMA: Final = 1
_COLUMNS: Final = tuple(field.name for field in fields(SessionRow))
_CREATE: Final = """
CREATE TABLE sessions (
  key TEXT PRIMARY KEY,
  container TEXT NOT NULL,
  agent TEXT NOT NULL,
  backend_id TEXT,
  editor_cwd TEXT NOT NULL,
  container_cwd TEXT NOT NULL,
  title TEXT NOT NULL,
  model TEXT,
  capability_key TEXT NOT NULL,
  created REAL NOT NULL,
  updated REAL NOT NULL,
  found INTEGER NOT NULL,
  UNIQUE (agent, backend_id)
) WITHOUT ROWID, STRICT
"""
_NAMES: Final = ", ".join(_COLUMNS)
_MARKS: Final = ", ".join("?" * len(_COLUMNS))
_CHANGES: Final = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)
_PUT: Final = f"INSERT INTO sessions ({_NAMES}) VALUES ({_MARKS}) ON CONFLICT (key) DO UPDATE SET {_CHANGES}"  # noqa: S608 - names of fields
_SELECT: Final = f"SELECT {_NAMES} FROM sessions"  # noqa: S608 - names of fields


class SessionTable:
    """The writer of one container's sessions; `directory` (0700) holds table, lock and transcripts.

    What a method has written outlives a kill of this process.

    Raises:
        TableBusy: Another process is the writer.
        SessionsError: Something there cannot be read or written; also raised by every method.
    """

    def __init__(self, directory: Path) -> None:
        self.transcripts = Transcripts(directory / "transcripts")
        self._path = directory / "sessions.db"
        try:
            ensure_dir(directory)
            self._lock = FileLock(directory / "lock", timeout=0).__enter__()
        except LockTimeout as error:
            raise TableBusy(f"the sessions are in use: {error.message}", hint="see `terok acp list`") from error
        except FileError as error:
            raise SessionsError(error.message, hint=error.hint) from error
        try:
            self._database = _opened(self._path)
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise

    def put(self, row: SessionRow) -> None:
        """Add a session, or replace the one with its key; an agent's id stands for one session only."""
        with _translated(self._path):
            self._database.execute(_PUT, astuple(row))

    def get(self, key: str) -> SessionRow | None:
        """Return the session with this key."""
        return self._one("WHERE key = ?", key)

    def by_backend(self, agent: str, backend_id: str) -> SessionRow | None:
        """Return the session that an agent calls `backend_id`."""
        return self._one("WHERE agent = ? AND backend_id = ?", agent, backend_id)

    def rows(self, cwd: str | None = None) -> list[SessionRow]:
        """Return all sessions, or those of one directory of the editor's, newest first."""
        with _translated(self._path):
            return _rows(self._database, cwd)

    def remove(self, key: str) -> None:
        """Forget a session and its transcript; nothing happens if there is none."""
        self.transcripts.remove(key)
        with _translated(self._path):
            self._database.execute("DELETE FROM sessions WHERE key = ?", (key,))

    def close(self) -> None:
        """Write what is buffered, and let another process be the writer."""
        try:
            self.transcripts.flush()
        finally:
            self._database.close()
            self._lock.__exit__(None, None, None)

    def _one(self, where: str, *values: str) -> SessionRow | None:
        with _translated(self._path):
            found = self._database.execute(f"{_SELECT} {where}", values).fetchone()
        return _row(found) if found else None


def stored_sessions(directory: Path, cwd: str | None = None) -> list[SessionRow]:
    """Return what `SessionTable.rows` would, without being the writer; nothing if there is no table."""
    path = directory / "sessions.db"
    if not path.exists():
        return []
    with _translated(path), closing(sqlite3.connect(f"file:{_escaped(path)}?mode=ro", uri=True)) as database:
        return _rows(database, cwd)


def _rows(database: sqlite3.Connection, cwd: str | None) -> list[SessionRow]:
    where, values = ("WHERE editor_cwd = ?", (cwd,)) if cwd is not None else ("", ())
    return [_row(found) for found in database.execute(f"{_SELECT} {where} ORDER BY updated DESC, key", values)]


def _row(values: tuple[object, ...]) -> SessionRow:
    named = dict(zip(_COLUMNS, values, strict=True))
    return SessionRow(**named | {"found": bool(named["found"])})  # type: ignore[arg-type]


def _opened(path: Path) -> sqlite3.Connection:
    if not path.exists():
        write_sensitive_file(path, b"", durable=False)
    with _translated(path):
        database = sqlite3.connect(path, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode = WAL").fetchone()
            database.execute("PRAGMA synchronous = NORMAL")
            _migrate(database, path)
        except BaseException:
            database.close()
            raise
    return database


def _migrate(database: sqlite3.Connection, path: Path) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > _SCHEMA:
        raise SessionsError(f"{path} was written by a newer version", hint="upgrade: `terok-acp --version`")
    if version == 0:
        database.executescript(f"BEGIN; {_CREATE}; PRAGMA user_version = {_SCHEMA}; COMMIT")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, UnicodeError) as error:
        raise SessionsError(f"{path} cannot be used: {error}", hint=f"if it is damaged, move {path} away") from error


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
