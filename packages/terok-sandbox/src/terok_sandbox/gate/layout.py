"""Create mirrors, and find their files on disk.

`<base>/<scope>.git` is a bare repository with our configuration and our one hook. A mirror is built beside its place
and renamed into it, so there is never half of one. `<base>/<scope>.json` names the upstream: the process that takes
pushes may write inside the mirror, and must not choose who gets our credentials.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from terok_util import atomic_write, ensure_dir, read_file, remove_tree
from terok_util.values import lean_dataclass

from terok_sandbox.config import SandboxConfig
from terok_sandbox.gate.errors import InspectionPolicyError, MirrorError
from terok_sandbox.gate.hook import PRE_RECEIVE
from terok_sandbox.gate.invoke import run_git
from terok_sandbox.values.names import PLAIN_HINT, is_plain

SCHEMA: Final = 1
QUARANTINE_IDLE: Final = 1800.0  # seconds after which nobody can still be at work in a quarantine, or hold a lock
MANY_LOOSE: Final = 6400
MANY_PACKS: Final = 50
_TIDY_SECONDS: Final = 1800.0
POLICY_FILE: Final = "inspection.json"
_MAX_POLICY: Final = 256 * 1024

_CONFIG: Final = """\
[core]
	logAllRefUpdates = always
	fsync = committed,loose-object
	fsyncMethod = batch
[transfer]
	hideRefs = refs/terok
	fsckObjects = true
[receive]
	fsckObjects = true
	autogc = false
[gc]
	auto = 0
	reflogExpire = never
	reflogExpireUnreachable = never
"""


@lean_dataclass(frozen=True, slots=True)
class MirrorRecord:
    """Settings of one mirror.

    `credential` is the name of a credential in the vault (`[SET/]PROVIDER`) for an https upstream, `ssh_agent`
    the socket of an agent for an ssh upstream; `personal_ssh` lets ssh use the person's own configuration and keys.
    `forge` is the kind of API on the upstream's host, for pull requests.
    """

    scope: str
    upstream: str | None
    default_branch: str | None
    schema: int = SCHEMA
    credential: str | None = None
    ssh_agent: str | None = None
    personal_ssh: bool = False
    forge: str | None = None


def mirror_path(base: Path, scope: str) -> Path:
    """Return the place of the mirror of `scope`; `MirrorError` for an invalid scope."""
    if not is_plain(scope):
        raise MirrorError(f"invalid scope {scope[:80]!r}", hint=PLAIN_HINT)
    return base.absolute() / f"{scope}.git"


def record_file(mirror: Path) -> Path:
    """Return the file with a mirror's record."""
    return mirror.with_suffix(".json")


def reviews_path(mirror: Path) -> Path:
    """Return the directory with what a person decided about branches, and a cache of reviews."""
    return mirror.with_suffix(".reviews")


def hooks_path(mirror: Path) -> Path:
    """Return the directory with the hook that runs on pushes."""
    return mirror / "hooks"


def read_policy(mirror: Path) -> bytes | None:
    """Return the text of a mirror's inspection policy, None if it has none; a gateway may have written any size."""
    file = mirror / POLICY_FILE
    try:
        return read_file(file, _MAX_POLICY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InspectionPolicyError(f"{file}: the inspection policy cannot be read: {error.strerror}") from error


def create_mirror(mirror: Path, object_format: str = "sha1") -> None:
    """Make a new bare mirror. The caller holds the mirror's lock."""
    ensure_dir(mirror.parent)
    draft = mirror.with_name(f".{mirror.name}.new")
    if draft.exists():
        remove_tree(draft)
    run_git("init", "--quiet", "--template=", f"--object-format={object_format}", str(draft))
    config = draft / "config"
    atomic_write(config, config.read_text() + _CONFIG, mode=0o600)
    install_hook(draft)
    draft.chmod(0o700)
    os.rename(draft, mirror)  # noqa: PTH104 - Path.rename would do the same; both are on one file system


def install_hook(mirror: Path) -> None:
    """Make our hook the only one in the mirror's hook directory."""
    directory = ensure_dir(hooks_path(mirror), 0o700)
    hook = directory / "pre-receive"
    if not hook.is_file() or hook.read_text() != PRE_RECEIVE or not os.access(hook, os.X_OK):
        atomic_write(hook, PRE_RECEIVE, mode=0o700)
    for other in directory.iterdir():
        if other.name != "pre-receive":
            other.unlink()


def sweep_quarantine(mirror: Path, idle: float = QUARANTINE_IDLE) -> None:
    """Remove quarantines and locks of killed processes, those that nobody touched for `idle` seconds."""
    for lock in (mirror / "packed-refs.lock", mirror / "HEAD.lock", *mirror.glob("refs/**/*.lock")):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - lock.lstat().st_mtime > idle:
                lock.unlink()
    for link in mirror.glob("quarantine.*"):
        if time.time() - link.lstat().st_mtime > idle:
            link.unlink(missing_ok=True)
    for leftover in mirror.glob("objects/tmp_objdir-incoming-*"):
        with contextlib.suppress(FileNotFoundError):
            newest = max(entry.lstat().st_mtime for entry in (leftover, *leftover.rglob("*")))
            if time.time() - newest > idle:
                remove_tree(leftover)


def tidy(mirror: Path) -> None:
    """Combine small packs and loose objects once there are many. No object is removed, reachable or not."""
    loose = len(list(mirror.glob("objects/17/*"))) * 256  # names are spread evenly
    if loose > MANY_LOOSE or len(list(mirror.glob("objects/pack/*.pack"))) > MANY_PACKS:
        run_git("repack", "--quiet", "--geometric=2", "-d", git_dir=mirror, timeout=_TIDY_SECONDS)


def read_record(mirror: Path) -> MirrorRecord:
    """Return the record of a mirror; `MirrorError` when there is none or it cannot be read."""
    try:
        mirror.stat()
        data = json.loads(record_file(mirror).read_text())
    except FileNotFoundError as error:
        if mirror.is_dir():
            raise MirrorError(f"the mirror at {mirror} has no record of its upstream", hint=_AGAIN) from error
        raise MirrorError(f"there is no mirror at {mirror}", hint="see `terok-sandbox gate list`") from error
    except (OSError, ValueError, RecursionError) as error:
        raise MirrorError(f"the record of the mirror at {mirror} cannot be read: {error}") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA or not isinstance(data.get("scope"), str):
        raise MirrorError(f"the mirror at {mirror} was made by another version", hint=_AGAIN)
    names = ("scope", "upstream", "default_branch", "credential", "ssh_agent", "forge")
    texts: dict[str, Any] = {name: data.get(name) for name in names}
    return MirrorRecord(**texts, personal_ssh=data.get("personal_ssh") is True)


def write_record(mirror: Path, record: MirrorRecord) -> None:
    """Write the record of a mirror, unless it is the same."""
    text = json.dumps(asdict(record), indent=1, sort_keys=True) + "\n"
    file = record_file(mirror)
    if not file.is_file() or file.read_text() != text:
        atomic_write(file, text, mode=0o600)


_AGAIN: Final = "run `terok-sandbox gate add REPO` for its repository again; what was pushed stays"


def list_mirrors(base: Path, unreadable: Callable[[MirrorError], None]) -> list[MirrorRecord]:
    """Return the records of all mirrors below `base`, sorted by scope; `unreadable` gets the errors of the others."""
    records = []
    for mirror in sorted(base.glob("*.git")) if base.is_dir() else ():
        try:
            records.append(read_record(mirror))
        except MirrorError as error:
            unreadable(error)
    return records


def base_directory() -> Path:
    """Return the directory of all mirrors."""
    return SandboxConfig().gate_base_path
