"""Sockets below a directory on which a program of this host listens: whoever sees one can talk to that program."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from terok_sandbox.errors import SpecError
from terok_sandbox.unix_sockets import address, is_in_container, peer

MAX_ENTRIES: Final = 1_000_000
"""How many files are looked at below one source; that takes a second or two."""
_KINDS: Final = (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM)


def listening_below(source: Path, *, limit: int = MAX_ENTRIES) -> Path | None:
    """Return a socket below `source` on which a program outside of containers listens, `None` if there is none.

    Links are not followed. What this user may not read is passed over: it is closed to the container too, or is its
    own. Raises SpecError for more than `limit` files.
    """
    left, waiting = limit, [str(source)]
    while waiting:
        with suppress(PermissionError, FileNotFoundError, NotADirectoryError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                left -= 1
                if left < 0:
                    raise SpecError(
                        f"{source}: has more than {limit:,} files, too many to look for sockets of the host",
                        hint="mount the directories that are needed, one by one",
                    )
                if entry.is_file(follow_symlinks=False):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif not entry.is_symlink() and _is_socket(entry) and is_listening(Path(entry.path)):
                    return Path(entry.path)
    return None


def is_listening(path: Path) -> bool:
    """Tell whether a program outside of containers listens on the socket at `path`.

    A socket that nobody listens on any more is a mere name, and a container can leave some in whatever it has mounted.
    """
    for kind in _KINDS:
        with socket.socket(socket.AF_UNIX, kind) as asking, address(path) as name:
            asking.settimeout(1)
            try:
                asking.connect(name)
            except (ConnectionRefusedError, FileNotFoundError):
                return False
            except OSError as error:
                if error.errno == errno.EPROTOTYPE:
                    continue
                return True
            return kind == socket.SOCK_DGRAM or not is_in_container(peer(asking)[0])
    return False


def _is_socket(entry: os.DirEntry[str]) -> bool:
    return stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode)
