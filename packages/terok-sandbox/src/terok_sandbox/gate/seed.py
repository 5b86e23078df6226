"""A copy of a mirror that containers may read, so that a large workspace need not come through the gate.

``<base>/<scope>.git`` holds the branches and tags that the container may fetch anyway, and none of what the mirror
hides. It is mounted read-only, and the container copies from it: no alternates, no hard links, nothing shared that an
agent can write. Only the host writes to it, from its own mirror.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from terok_util import FileLock, TerokError, ensure_dir, remove_tree

from terok_sandbox.gate.errors import GateError
from terok_sandbox.gate.invoke import local_service, run_git
from terok_sandbox.gate.refs import head_branch, point_head

WORTHWHILE: Final = 4 * 1024 * 1024
"""Bytes of packed objects from which copying is faster than a clone through the gate."""
_MAX_PACKS: Final = 30
_SECONDS: Final = 1800.0
_CONFIG: Final = {
    "core.logAllRefUpdates": "false",
    "fetch.unpackLimit": "1",
    "fetch.fsckObjects": "false",  # they were checked when they came into the mirror
    "transfer.fsckObjects": "false",
}


def refresh_seed(mirror: Path, base: Path, *, worthwhile: int = WORTHWHILE) -> Path | None:
    """Bring the copy of ``mirror`` below ``base`` up to date and return it.

    None when the mirror is too small for a copy to be ``worthwhile``, or when the copy cannot be made: a clone through
    the gate gives the same.
    """
    if _packed(mirror) < worthwhile:
        return None
    seed = base.absolute() / mirror.name
    try:
        ensure_dir(base)
        with FileLock(seed.with_suffix(".lock"), timeout=_SECONDS):
            try:
                if not seed.is_dir() or len(list(seed.glob("objects/pack/*.pack"))) > _MAX_PACKS:
                    return _anew(mirror, seed)
                return _followed(mirror, seed)
            except GateError:
                return _anew(mirror, seed)
    except (TerokError, OSError):
        return None


def _anew(mirror: Path, seed: Path) -> Path:
    draft, old = seed.with_name(f".{seed.name}.new"), seed.with_name(f".{seed.name}.old")
    for leftover in (draft, old):
        if leftover.exists():
            remove_tree(leftover)
    kind = run_git("rev-parse", "--show-object-format", git_dir=mirror).text.strip()
    run_git("init", "--quiet", "--template=", f"--object-format={kind}", str(draft))
    _followed(mirror, draft)
    if seed.exists():
        seed.rename(old)
    draft.rename(seed)
    if old.exists():
        remove_tree(old)
    return seed


def _followed(mirror: Path, seed: Path) -> Path:
    run_git(
        "fetch",
        *("--quiet", "--force", "--prune", "--no-tags", "--no-write-fetch-head", "--update-head-ok"),
        f"--upload-pack={local_service(mirror, 'upload-pack')}",
        str(mirror),
        *("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"),
        git_dir=seed,
        protocols=("file",),
        config=_CONFIG,
        timeout=_SECONDS,
    )
    point_head(seed, head_branch(mirror))
    return seed


def _packed(mirror: Path) -> int:
    return sum(pack.stat().st_size for pack in mirror.glob("objects/pack/*.pack"))
