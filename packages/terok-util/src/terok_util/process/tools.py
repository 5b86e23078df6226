"""Finding programs, and checking arguments and environment before they reach the kernel."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from terok_util.process.errors import ProcessError, ToolNotFound
from terok_util.text import safe_text

# nft, ip and others are in directories that an ordinary user's PATH often lacks.
_SYSTEM_DIRS = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")


def find_tool(name: str, *, hint: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """Return the absolute path of the program `name`; ToolNotFound with `hint`, or a generic one, if there is none.

    PATH (of `env`, else ours) is searched first, then the system directories. Relative entries are skipped, so that
    a program of the current directory is never found. A name with a slash must be executable as it is.
    """
    if "/" in name:
        if _executable(name):
            return str(Path(name).absolute())
    elif name and "\0" not in name:
        path = (env or {}).get("PATH") or os.environ.get("PATH", "")
        for directory in (*path.split(":"), *_SYSTEM_DIRS):
            candidate = f"{directory}/{name}"
            if directory.startswith("/") and _executable(candidate):
                return candidate
    shown = safe_text(name, limit=100)
    raise ToolNotFound(f"program not found: {shown}", hint=hint or f"install {shown}, or add its directory to PATH")


def _executable(path: str) -> bool:
    return "\0" not in path and os.access(path, os.X_OK) and Path(path).is_file()


def checked_argv(argv: Sequence[str | os.PathLike[str]]) -> tuple[str, ...]:
    """Return `argv` as plain strings; ProcessError if it is empty, not a sequence, or contains a NUL."""
    if isinstance(argv, str | bytes):
        raise ProcessError("a command must be a sequence of arguments, not one string")
    plain = tuple(os.fspath(part) for part in argv)
    if not plain or not plain[0]:
        raise ProcessError("a command must name a program")
    for part in plain:
        if "\0" in part:
            raise ProcessError(f"NUL byte in an argument of {safe_text(plain[0], limit=100)}")
    return plain


def checked_env(env: Mapping[str, str] | None) -> dict[str, str] | None:
    """Return a copy of `env`; ProcessError, which names only the variable, if the kernel could not take it."""
    if env is None:
        return None
    for name, value in env.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise ProcessError(f"environment variable cannot be passed on: {safe_text(name, limit=100)}")
    return dict(env)
