"""Measure and reduce the disk space of a mirror, and remove mirrors."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from terok_util import FileLock, TerokError, remove_tree

from terok_sandbox.gate.errors import MirrorError
from terok_sandbox.gate.invoke import run_git
from terok_sandbox.gate.layout import record_file, reviews_path, sweep_quarantine
from terok_sandbox.sidecar import Sidecar

_SECONDS: Final = 3600.0
_LOCK_SECONDS: Final = 120.0
_PUSHING: Final = "1.hour.ago"  # the objects of a push under way are not reachable yet


def disk_use(mirror: Path) -> int:
    """Return the bytes that the objects of a mirror take, those of pushes under way among them."""
    size = 0
    for place, _, names in os.walk(mirror / "objects"):
        for name in names:
            try:
                size += os.lstat(f"{place}/{name}").st_blocks * 512
            except FileNotFoundError:
                continue  # a push has ended meanwhile
    return size


def collect_garbage(mirror: Path, days: int) -> tuple[int, int]:
    """Remove objects that no ref, saved tips included, has reached for `days`; return the bytes before and after."""
    before = disk_use(mirror)
    with FileLock(mirror.with_suffix(".lock"), timeout=_LOCK_SECONDS):
        sweep_quarantine(mirror)
        expiry = f"{days}.days.ago"
        run_git("reflog", "expire", f"--expire={expiry}", f"--expire-unreachable={expiry}", "--all", git_dir=mirror)
        words = ("--quiet", "-A", "-d", f"--unpack-unreachable={_PUSHING}")
        run_git("repack", *words, git_dir=mirror, timeout=_SECONDS)
        run_git("prune", f"--expire={_PUSHING}", git_dir=mirror, timeout=_SECONDS)
    return before, disk_use(mirror)


def users_of(mirror: Path, sidecars: Iterable[Path]) -> list[str]:
    """Return the containers that have this mirror as their gate; one whose sidecar cannot be read counts."""
    names = []
    for path in sidecars:
        try:
            gate = Sidecar.load(path).gate
        except TerokError:
            names.append(f"{path.stem} (its sidecar cannot be read)")
            continue
        if gate is not None and gate.mirror == mirror:
            names.append(path.stem)
    return sorted(names)


def remove_mirror(mirror: Path) -> None:
    """Remove a mirror, and all that is remembered of it."""
    if not (mirror.exists() or record_file(mirror).exists()):
        raise MirrorError(f"there is no mirror at {mirror}", hint="see `terok-sandbox gate list`")
    with FileLock(mirror.with_suffix(".lock"), timeout=_LOCK_SECONDS):
        if mirror.exists():
            going = mirror.with_name(f".{mirror.name}.old")
            if going.exists():
                remove_tree(going)
            mirror.rename(going)  # from here on the mirror is gone, however long the rest takes
            remove_tree(going)
        if reviews_path(mirror).exists():
            remove_tree(reviews_path(mirror))
        for suffix in (".json", ".lock"):
            mirror.with_suffix(suffix).unlink(missing_ok=True)
