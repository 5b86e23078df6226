"""The end of a container's sessions, once it is gone for good."""

from __future__ import annotations

from typing import Final

from terok_util import FileError, FileLock, LockTimeout, remove_tree

from terok_acp.errors import SessionsError, TableBusy
from terok_acp.paths import state_dir

_PATIENCE: Final = 10.0
"""Seconds that a daemon has to end, which does so with its container."""


def forget_sessions(container: str, patience: float = _PATIENCE) -> None:
    """Delete sessions, transcripts and log of a container that has been removed; nothing happens if there are none.

    Raises:
        TableBusy: Its daemon still runs after `patience` seconds.
        SessionsError: They cannot be deleted.
    """
    directory = state_dir(container)
    if not directory.exists():
        return
    try:
        with FileLock(directory / "lock", timeout=patience):
            remove_tree(directory)
    except LockTimeout as error:
        raise TableBusy(f"the sessions of {container} are in use: {error.message}", hint=error.hint) from error
    except FileError as error:
        raise SessionsError(error.message, hint=error.hint) from error
