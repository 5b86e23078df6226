"""Starts the daemon of a container, which outlives the editor that needed it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from terok_acp.paths import log_path

if TYPE_CHECKING:
    from terok_util.process import Process

_PERSON: Final = ("HOME", "USER", "LOGNAME", "SHELL", "PATH", "TMPDIR", "LANG", "LANGUAGE", "TZ", "PYTHONPATH")
_HOST: Final = ("DBUS_SESSION_BUS_ADDRESS", "STORAGE_DRIVER", "STORAGE_OPTS", "SSL_CERT_FILE", "SSL_CERT_DIR")
_KEPT: Final = frozenset((*_PERSON, *_HOST))
_PREFIXES: Final = ("LC_", "XDG_", "CONTAINERS_", "TEROK_")
_SECRET_WORDS: Final = ("PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL")
_TAIL: Final = 2000
_MOST_LOG: Final = 1 << 20


class Starting:
    """Starts daemons for one container, at one socket."""

    def __init__(self, container: str, path: Path) -> None:
        self._container = container
        self._path = path
        self._process: Process | None = None

    def start(self) -> None:
        """Start a daemon; it ends at once if another one runs."""
        from terok_util import ensure_dir
        from terok_util.process import spawn  # not before the editor has its first answer

        log = log_path(self._container)
        ensure_dir(log.parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        if log.exists() and log.stat().st_size > _MOST_LOG:
            flags |= os.O_TRUNC
        with open(os.open(log, flags, 0o600), "ab") as output:  # noqa: PTH123 - a descriptor
            argv = [sys.executable, "-P", "-m", "terok_acp", "serve", self._container, str(self._path)]
            self._process = spawn(
                argv, stdout=output, stderr=output, env=daemon_environment(os.environ), cwd="/", detach=True
            )

    def problem(self) -> str | None:
        """Return why the last one has ended, None while it may still answer."""
        if self._process is None or self._process.poll() in (None, 0):
            return None
        from terok_util import last_line, read_tail

        said = last_line(read_tail(log_path(self._container), _TAIL), limit=300)
        return said or f"the daemon of {self._container} does not start"


def daemon_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the part of an editor's environment that a daemon needs; the rest may hold secrets."""
    return {
        name: value
        for name, value in environment.items()
        if name in _KEPT or (name.startswith(_PREFIXES) and not any(word in name for word in _SECRET_WORDS))
    }
