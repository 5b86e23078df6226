"""A copy of a mirror that containers may read, so that a workspace need not come through the gate.

`<base>/<scope>.git` holds the branches and tags that the container may fetch anyway, and none of what the mirror
hides. It is mounted read-only, and the container copies from it: no alternates, no hard links, nothing shared that an
agent can write. Only the host writes to it, from its own mirror.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from terok_util import FileLock, TerokError, ensure_dir, remove_tree

from terok_sandbox.gate.errors import GateError
from terok_sandbox.gate.invoke import local_service, run_git
from terok_sandbox.gate.refs import HEADS, TAGS, create_packed, head_branch, point_head, read_refs

_MAX_PACKS: Final = 30
_SECONDS: Final = 1800.0
_REMOTE: Final = "refs/remotes/origin/"
_ORIGIN: Final = """[remote "origin"]
	url = "{}"
	fetch = +refs/heads/*:refs/remotes/origin/*
[branch "{}"]
	remote = origin
	merge = "refs/heads/{}"
"""
_CONFIG: Final = {
    "core.logAllRefUpdates": "false",
    "fetch.unpackLimit": "1",
    "fetch.fsckObjects": "false",  # they were checked when they came into the mirror
    "transfer.fsckObjects": "false",
}


def refresh_seed(mirror: Path, base: Path) -> Path | None:
    """Bring the copy of `mirror` below `base` up to date and return it; None if it fails: a clone gives the same."""
    seed = base.absolute() / mirror.name
    try:
        ensure_dir(base)
        with FileLock(seed.with_suffix(".lock"), timeout=_SECONDS):
            try:
                if not seed.is_dir() or len(list(seed.glob("objects/pack/*.pack"))) > _MAX_PACKS:
                    return _recreate(mirror, seed)
                return seed if _fetchable(mirror) == _fetchable(seed) else _fetch_from(mirror, seed)
            except GateError:
                return _recreate(mirror, seed)
    except (TerokError, OSError):
        return None


def seed_workspace(seed: Path, workspace: Path, origin: str) -> bool:
    """Make the repository of a new or empty `workspace` out of the copy at `seed`, with `origin` as its remote.

    Files are for `git reset --hard` inside the container. False, with nothing left behind, if it cannot be used.
    """
    from terok_util import process

    git_dir = workspace.absolute() / ".git"
    try:
        ensure_dir(workspace)
        if any(workspace.iterdir()):
            return False
        refs, default = read_refs(seed), head_branch(seed)
        _init(seed, git_dir)
        copy = ("cp", "-a", "--reflink=auto", f"{seed.absolute()}/objects/.", f"{git_dir}/objects")
        process.run(copy, timeout=_SECONDS)
        there = {f"{_REMOTE}{name}": oid for name, oid in refs.under(HEADS).items()}
        here = {HEADS + default: refs.refs[HEADS + default]} if HEADS + default in refs.refs else {}
        create_packed(git_dir, there | here | {TAGS + name: oid for name, oid in refs.under(TAGS).items()})
        point_head(git_dir, default)
        run_git("symbolic-ref", _REMOTE + "HEAD", _REMOTE + default, git_dir=git_dir)
        config = git_dir / "config"
        url, branch = (text.replace("\\", "\\\\").replace('"', '\\"') for text in (origin, default))
        own = config.read_text().replace("bare = true", "bare = false")
        config.write_text(own + _ORIGIN.format(url, branch, branch))
    except (TerokError, OSError):
        if git_dir.exists():
            remove_tree(git_dir)
        return False
    return True


def _init(like: Path, place: Path) -> None:
    kind = run_git("rev-parse", "--show-object-format", git_dir=like).text.strip()
    run_git("init", "--quiet", "--template=", f"--object-format={kind}", str(place))


def _recreate(mirror: Path, seed: Path) -> Path:
    draft, old = seed.with_name(f".{seed.name}.new"), seed.with_name(f".{seed.name}.old")
    for leftover in (draft, old):
        if leftover.exists():
            remove_tree(leftover)
    _init(mirror, draft)
    _fetch_from(mirror, draft)
    if seed.exists():
        seed.rename(old)
    draft.rename(seed)
    if old.exists():
        remove_tree(old)
    return seed


def _fetch_from(mirror: Path, seed: Path) -> Path:
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


def _fetchable(place: Path) -> tuple[str, dict[str, str], dict[str, str]]:
    refs = read_refs(place)
    return head_branch(place), refs.under(HEADS), refs.under(TAGS)
