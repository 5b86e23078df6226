"""The root of every error the terok wheels raise.

    TerokError              exit 1
    ├── UsageError          exit 2   the request is wrong as written
    ├── FileError           exit 1   a file or directory cannot be used
    │   └── LockTimeout     exit 75  another process holds the lock
    ├── PathError           exit 78  an environment variable or directory of the host is unusable
    ├── ConfigError         exit 78  a configuration file cannot be used
    │   └── YAMLError       exit 78  it is not valid YAML
    └── ProcessError        exit 1   see terok_util.process.errors

Exit codes from 64 up follow sysexits.h.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar


class TerokError(Exception):
    """A failure the caller can act on.

    `message` says what happened and where, `hint` (optional) what to do about it. `exit_code` is the exit status of a
    command that ends with the error.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(TerokError):
    """The request itself is wrong: a bad argument, an impossible combination."""

    exit_code: ClassVar[int] = 2


class FileError(TerokError):
    """A file or directory cannot be read, written or trusted."""


class LockTimeout(FileError):
    """Another process held a file lock for longer than the caller waited."""

    exit_code: ClassVar[int] = 75


class PathError(TerokError):
    """A directory of the host is missing, belongs to another user or is open to others."""

    exit_code: ClassVar[int] = 78


class ConfigError(TerokError):
    """A configuration file cannot be read or is not valid."""

    exit_code: ClassVar[int] = 78
