"""Find files of a checkout on this host that are not committed, and so not in its mirror.

`git status` would run the filters that the repository's configuration names. So git only lists its index, and the files
are compared here.
"""

from __future__ import annotations

import hashlib
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from terok_sandbox.gate.errors import GateError
from terok_sandbox.gate.invoke import run_git
from terok_sandbox.gate.source import local_git_dir

_ENTRY: Final = re.compile(
    rb"([0-7]{6}) ([0-9a-f]{40,64}) [0-3]\t([^\0]*)\0 +ctime: [^\n]*\n +mtime: (\d+):(\d+)\n[^\n]*\n[^\n]*\n"
    rb" +size: (\d+)\tflags: ([0-9a-f]+)\n"
)
_NOT_LOOKED_AT: Final = 0x40000000 | 0x8000
"""Flags of files outside a sparse checkout, and of those that a person marked as unchanged."""
_MAX_INDEX: Final = 4 * 1024 * 1024
_MAX_FILE: Final = 1024 * 1024


def uncommitted(repo: Path) -> tuple[str, ...]:
    """Return the tracked files of a checkout that differ from its last commit; nothing for a bare or very large one."""
    git_dir = local_git_dir(repo)
    if git_dir == repo:
        return ()
    try:
        staged = run_git("diff-index", "--cached", "--name-only", "-z", "HEAD", git_dir=git_dir, max_output=_MAX_INDEX)
        listing = run_git("ls-files", "--debug", "--stage", "-z", git_dir=git_dir, max_output=_MAX_INDEX)
    except GateError:
        return ()  # no commit yet, or too large; a launch does not depend on this
    changed = set(staged.stdout.split(b"\0")) - {b""}
    for mode, oid, path, seconds, nanos, size, flags in _ENTRY.findall(listing.stdout):
        if mode == b"160000" or int(flags, 16) & _NOT_LOOKED_AT:
            continue
        file = repo / path.decode("utf-8", "surrogateescape")
        if _differs(file, oid.decode(), int(seconds) * 10**9 + int(nanos), int(size)):
            changed.add(path)
    return tuple(sorted(path.decode("utf-8", "surrogateescape") for path in changed))


def _differs(file: Path, oid: str, mtime: int, size: int) -> bool:
    with suppress(OSError):
        status = file.lstat()
        if status.st_size & 0xFFFFFFFF != size:
            return True
        if status.st_mtime_ns == mtime:
            return False
        if stat.S_ISREG(status.st_mode) and size <= _MAX_FILE:
            blob = b"blob %d\0" % size + file.read_bytes()
            return hashlib.new("sha256" if len(oid) == 64 else "sha1", blob, usedforsecurity=False).hexdigest() != oid
    return True
