"""The tables, as a list of migrations: the number of a database is how many of them it has had."""

from __future__ import annotations

from typing import Final

APPLICATION: Final = 0x7465726F
"""Marks a file as ours (SQLite's application_id)."""

_FIRST: Final = (
    """
CREATE TABLE tasks (
  id TEXT PRIMARY KEY,
  project TEXT NOT NULL,
  name TEXT NOT NULL,
  agent TEXT NOT NULL,
  mode TEXT NOT NULL,
  created REAL NOT NULL,
  name_by_user INTEGER NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  engine TEXT NOT NULL,
  container TEXT NOT NULL,
  desired TEXT NOT NULL CHECK (desired IN ('running', 'stopped', 'archived', 'trashed')),
  started REAL,
  ended REAL,
  exit_code INTEGER,
  stopped_by TEXT NOT NULL,
  archived REAL,
  trashed REAL,
  scope TEXT NOT NULL,
  branch TEXT NOT NULL,
  prompt TEXT NOT NULL,
  session TEXT NOT NULL,
  cost REAL,
  word TEXT NOT NULL,
  "group" TEXT NOT NULL,
  also TEXT NOT NULL,
  since REAL NOT NULL,
  doubt_at REAL,
  unread INTEGER NOT NULL,
  process TEXT NOT NULL,
  reason TEXT NOT NULL,
  works INTEGER NOT NULL,
  wanted_at REAL NOT NULL,
  seen REAL NOT NULL DEFAULT 0,
  request TEXT NOT NULL DEFAULT '{}',
  facts TEXT NOT NULL DEFAULT '{}',
  claims TEXT NOT NULL DEFAULT '{}',
  lease TEXT,
  boot TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID, STRICT
""",
    "CREATE UNIQUE INDEX task_names ON tasks (project, name) WHERE trashed IS NULL",
    """
CREATE TABLE events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at REAL NOT NULL,
  task TEXT NOT NULL,
  kind TEXT NOT NULL,
  data TEXT NOT NULL
) STRICT
""",
    "CREATE INDEX task_events ON events (task, seq)",
    """
CREATE TABLE followups (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  task TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  text TEXT NOT NULL,
  how TEXT NOT NULL CHECK (how IN ('steer', 'queue')),
  state TEXT NOT NULL CHECK (state IN ('written', 'sent', 'seen', 'taken_back')),
  created REAL NOT NULL,
  changed REAL NOT NULL
) STRICT
""",
    "CREATE INDEX task_followups ON followups (task, id)",
    """
CREATE TABLE queue (
  task TEXT PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
  since REAL NOT NULL,
  not_before REAL,
  after TEXT NOT NULL,
  priority INTEGER NOT NULL,
  reason TEXT NOT NULL,
  text TEXT NOT NULL
) WITHOUT ROWID, STRICT
""",
    """
CREATE TABLE operations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at REAL NOT NULL,
  verb TEXT NOT NULL,
  subject TEXT NOT NULL,
  summary TEXT NOT NULL,
  inverse TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'done', 'undone', 'expired')),
  expires REAL
) STRICT
""",
    "CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT",
)

_REVIEWS: Final = (
    """
CREATE TABLE comments (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  task TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  branch TEXT NOT NULL,
  tip TEXT NOT NULL,
  base TEXT NOT NULL,
  place TEXT NOT NULL,
  quote TEXT NOT NULL,
  text TEXT NOT NULL,
  author TEXT NOT NULL,
  written REAL NOT NULL,
  thread INTEGER REFERENCES comments (id) ON DELETE CASCADE,
  follow_up INTEGER REFERENCES followups (id) ON DELETE SET NULL,
  resolved REAL
) STRICT
""",
    "CREATE INDEX task_comments ON comments (task, id)",
    """
CREATE TABLE viewed (
  task TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  path TEXT NOT NULL,
  blob TEXT NOT NULL,
  at REAL NOT NULL,
  PRIMARY KEY (task, path, blob)
) WITHOUT ROWID, STRICT
""",
    """
CREATE TABLE rounds (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  task TEXT REFERENCES tasks (id) ON DELETE CASCADE,
  scope TEXT NOT NULL,
  branch TEXT NOT NULL,
  tip TEXT NOT NULL,
  base TEXT NOT NULL,
  at REAL NOT NULL
) STRICT
""",
    "CREATE INDEX branch_rounds ON rounds (scope, branch, id)",
    """
CREATE TABLE checks (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  task TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  branch TEXT NOT NULL,
  tip TEXT NOT NULL,
  command TEXT NOT NULL,
  state TEXT NOT NULL,
  exit_code INTEGER,
  output TEXT NOT NULL,
  left_out INTEGER NOT NULL,
  started REAL NOT NULL,
  ended REAL,
  lease TEXT
) STRICT
""",
    "CREATE INDEX task_checks ON checks (task, id)",
)

_RACES: Final = (
    "ALTER TABLE tasks ADD COLUMN race TEXT NOT NULL DEFAULT ''",
    """
CREATE TABLE races (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  project TEXT NOT NULL,
  created REAL NOT NULL,
  prompt TEXT NOT NULL,
  scope TEXT NOT NULL,
  base TEXT NOT NULL,
  command TEXT NOT NULL,
  kept TEXT NOT NULL,
  trashed REAL
) WITHOUT ROWID, STRICT
""",
    """
CREATE TABLE attempts (
  race TEXT NOT NULL REFERENCES races (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  task TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  agent TEXT NOT NULL,
  model TEXT NOT NULL,
  checked REAL,
  lease TEXT,
  PRIMARY KEY (race, number)
) WITHOUT ROWID, STRICT
""",
)
"""`attempts.checked` is the run (`tasks.started`) whose check is over; `lease` is who runs one."""

_USAGE: Final = (
    """
CREATE TABLE usage_journals (
  path TEXT PRIMARY KEY,
  inode INTEGER NOT NULL,
  size INTEGER NOT NULL,
  open TEXT NOT NULL,
  container TEXT NOT NULL,
  task TEXT NOT NULL,
  project TEXT NOT NULL,
  agent TEXT NOT NULL
) WITHOUT ROWID, STRICT
""",
    """
CREATE TABLE usage_sums (
  path TEXT NOT NULL REFERENCES usage_journals (path) ON DELETE CASCADE,
  hour TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  credential_set TEXT NOT NULL,
  plan INTEGER NOT NULL,
  priced INTEGER NOT NULL,
  open INTEGER NOT NULL,
  nano INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  reasoning INTEGER NOT NULL,
  retries INTEGER NOT NULL,
  aborted INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  estimated INTEGER NOT NULL,
  PRIMARY KEY (path, hour, provider, model, credential_set, plan, priced, open)
) WITHOUT ROWID, STRICT
""",
)

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (_FIRST, _REVIEWS, _RACES, _USAGE)
