"""The directories of state, configuration and sockets: XDG for users, FHS for root.

TEROK_ROOT=/x puts all of them below /x (state, config, run); a directory's own environment variable has priority.
Nothing is created here; callers use `ensure_dir`.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from terok_util.errors import PathError

_NAME = "terok"
_SESSIONS = Path("/run/user")
_WHOLE_HOST = ["0", "0", "4294967295"]


def namespace_state_dir(sub: str = "", *, env_var: str | None = None) -> Path:
    """Return the directory of durable state, or `sub` below it.

    It is the first of `$env_var` (the complete directory), `$TEROK_ROOT/state`, /var/lib/terok for root, and
    `$XDG_DATA_HOME/terok` (~/.local/share/terok). PathError for a relative value or a `sub` that leaves the directory.
    """
    return _absolute(env_var) or _below(_state_root(), sub)


def namespace_config_dir(sub: str = "", *, env_var: str | None = None) -> Path:
    """Return the directory of files a person edits: `$env_var`, `$TEROK_ROOT/config`, /etc/terok or XDG's."""
    own, root = _absolute(env_var), _absolute("TEROK_ROOT")
    if own is None and root is None and not is_host_root():
        return _below(_xdg("XDG_CONFIG_HOME", ".config") / _NAME, sub)
    return own or _below(root / "config" if root else Path("/etc") / _NAME, sub)


def system_config_dir() -> Path:
    """Return the directory of the host's settings for all its users: `$TEROK_ROOT/etc`, or /etc/terok."""
    root = _absolute("TEROK_ROOT")
    return root / "etc" if root else Path("/etc") / _NAME


def namespace_runtime_dir(sub: str = "", *, env_var: str | None = None) -> Path:
    """Return the directory of sockets and other files that may vanish with the session.

    It is the first of `$env_var`, `$TEROK_ROOT/run`, /run/terok for root, `$XDG_RUNTIME_DIR/terok`,
    /run/user/UID/terok, and `run` in the state directory. PathError if the session's directory is missing, or if it or
    ours is not this user's with mode 0700.
    """
    own = _absolute(env_var)
    root = own or _runtime_root()
    if root.exists() or root.is_symlink():
        _check_private(root)
    return root if own else _below(root, sub)


def is_host_root() -> bool:
    """Return whether this process is root of the host, not only of a user namespace such as Podman's."""
    if os.geteuid() != 0:
        return False
    try:
        return Path("/proc/self/uid_map").read_text("ascii").split() == _WHOLE_HOST
    except OSError:
        return True


def _state_root() -> Path:
    if root := _absolute("TEROK_ROOT"):
        return root / "state"
    return Path("/var/lib") / _NAME if is_host_root() else _xdg("XDG_DATA_HOME", ".local/share") / _NAME


def _runtime_root() -> Path:
    if root := _absolute("TEROK_ROOT"):
        return root / "run"
    if is_host_root():
        return Path("/run") / _NAME
    named = os.environ.get("XDG_RUNTIME_DIR", "")
    session = Path(named) if named.startswith("/") else _SESSIONS / str(os.geteuid())
    if named.startswith("/") or session.is_dir():
        _check_private(session)
        return session / _NAME
    return _state_root() / "run"


def _check_private(path: Path) -> None:
    try:
        facts = path.lstat()
    except OSError as error:
        hint = "log in so that the session creates it, or unset XDG_RUNTIME_DIR, or set TEROK_ROOT"
        raise PathError(f"runtime directory is missing: {path} ({error.strerror})", hint=hint) from error
    if not stat.S_ISDIR(facts.st_mode):
        raise PathError(f"runtime directory is not a directory: {path}", hint=f"rm {path}")
    if facts.st_uid != os.geteuid():
        problem = f"runtime directory belongs to user {facts.st_uid}, not to us ({os.geteuid()}): {path}"
        hint = "set XDG_RUNTIME_DIR to a directory of your own; after su or sudo it is often another user's"
        raise PathError(problem, hint=hint)
    mode = stat.S_IMODE(facts.st_mode)
    if mode & 0o777 != 0o700:
        raise PathError(f"runtime directory has mode {mode:04o} instead of 0700: {path}", hint=f"chmod 0700 {path}")


def _absolute(variable: str | None) -> Path | None:
    value = os.environ.get(variable, "") if variable else ""
    if value and not value.startswith("/"):
        raise PathError(f"{variable} must be an absolute path, not {value!r}")
    return Path(value) if value else None


def _xdg(variable: str, default: str) -> Path:
    value = os.environ.get(variable, "")
    if value.startswith("/"):  # the XDG specification says to ignore relative values
        return Path(value)
    try:
        return Path.home() / default
    except RuntimeError as error:
        raise PathError("this user has no home directory", hint="set HOME or TEROK_ROOT") from error


def _below(root: Path, sub: str) -> Path:
    if sub.startswith("/") or "\0" in sub or ".." in Path(sub).parts:
        raise PathError(f"invalid path {sub!r}: it must stay below {root}")
    return root / sub
