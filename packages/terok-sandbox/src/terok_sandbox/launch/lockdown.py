"""The lockdown after a panic: while its file is there, no container is launched, started or supervised."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from terok_util import atomic_write, ensure_dir, json_object, sync_path

from terok_sandbox.errors import LockedDown

LOCKDOWN_FILE: Final = "lockdown.json"
"""Below the state directory. That it is there is what counts; what it says is for people."""


def lock_down(state_dir: Path, **told: Any) -> None:
    """Let nothing start from now on, durably; `told` are JSON values for `read_lockdown`."""
    ensure_dir(state_dir)
    atomic_write(state_dir / LOCKDOWN_FILE, json.dumps(told) + "\n", mode=0o600)


def lift_lockdown(state_dir: Path) -> None:
    """Let containers start again."""
    (state_dir / LOCKDOWN_FILE).unlink(missing_ok=True)
    sync_path(state_dir)


def read_lockdown(state_dir: Path) -> dict[str, Any] | None:
    """Return what was told when everything was locked down, {} if that is damaged, None without a lockdown."""
    if not is_locked_down(state_dir):
        return None
    try:
        return json_object((state_dir / LOCKDOWN_FILE).read_bytes()) or {}
    except OSError:
        return {}


def is_locked_down(state_dir: Path) -> bool:
    """Whether nothing may start; also when that cannot be found out."""
    try:
        os.lstat(state_dir / LOCKDOWN_FILE)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def refuse_lockdown(state_dir: Path) -> None:
    """Raise LockedDown in a lockdown."""
    if is_locked_down(state_dir):
        raise LockedDown("nothing starts after a panic", hint="`terok panic --clear` ends the lockdown")
