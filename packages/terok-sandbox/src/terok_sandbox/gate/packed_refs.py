"""Create refs by the thousand, in one file.

Git writes each new ref as a file of its own and waits for the disk each time; for 100,000 branches that takes
minutes. `packed-refs` holds them in one file. Only refs that nobody else writes may be created this way: the
hidden snapshot, and the branches of a mirror that no container has seen yet.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from terok_sandbox.gate.errors import MirrorError
from terok_sandbox.values.names import is_ref

_OID: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_PATIENCE: Final = 10.0


def create_packed(mirror: Path, refs: Mapping[str, str]) -> None:
    """Create `refs` (full name to object id), none of which exists, all at once.

    Holds git's own lock on the file; `MirrorError` when somebody else does, or a name or id is not one.
    """
    for name, oid in refs.items():
        if not is_ref(name) or not _OID.match(oid):
            raise MirrorError(f"{name!r} cannot be created")
    file, lock = mirror / "packed-refs", mirror / "packed-refs.lock"
    descriptor = _locked(lock)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(_merged(file.read_bytes() if file.exists() else b"", refs))
            stream.flush()
            os.fsync(stream.fileno())
        lock.replace(file)
    except OSError as error:
        lock.unlink(missing_ok=True)
        raise MirrorError(f"the refs of {mirror} cannot be written: {error.strerror}") from error
    directory = os.open(mirror, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _locked(lock: Path) -> int:
    """Create `lock`; a push that deletes a branch holds it for a moment."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError as error:
            if time.monotonic() > deadline:
                raise MirrorError("another git holds the mirror's refs", hint="try again in a minute") from error
            time.sleep(0.05)


def packed_and_loose(mirror: Path) -> int:
    """Return a number that the mirror's refs do not exceed, without asking git."""
    file = mirror / "packed-refs"
    packed = file.read_bytes().count(b"\n") if file.exists() else 0
    return packed + sum(len(files) for _, _, files in os.walk(mirror / "refs"))


def ref_exists(mirror: Path, ref: str) -> bool:
    """Tell whether a mirror has a ref of this full name, without asking git."""
    file = mirror / "packed-refs"
    line = b" %b\n" % ref.encode("utf-8", "surrogateescape")
    return is_ref(ref) and ((mirror / ref).is_file() or (file.exists() and line in file.read_bytes()))


def _merged(old: bytes, refs: Mapping[str, str]) -> bytes:
    entries: dict[bytes, bytes] = {}
    last = b""
    for line in old.splitlines(keepends=True):
        if line.startswith(b"^"):
            entries[last] += line
        elif not line.startswith(b"#"):
            last = line.rstrip(b"\n").partition(b" ")[2]
            entries[last] = line
    for name, oid in refs.items():
        raw = name.encode("utf-8", "surrogateescape")
        entries[raw] = oid.encode() + b" " + raw + b"\n"
    # Not "peeled": git looks for itself at what a tag points to.
    return b"# pack-refs with: sorted \n" + b"".join(entries[name] for name in sorted(entries))
