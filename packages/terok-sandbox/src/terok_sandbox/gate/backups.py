"""Tips that were saved before they were overwritten or deleted: list, restore, prune."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from terok_util.values import lean_dataclass

from terok_sandbox.gate.errors import MirrorError
from terok_sandbox.gate.refs import (
    BACKUP,
    BACKUP_TAGS,
    HEADS,
    TAGS,
    RefChange,
    RefSet,
    change_refs,
    change_refs_together,
    read_refs,
    saving,
)

RETENTION: Final = timedelta(days=30)
_NAME: Final = re.compile(r"(?P<branch>.+)/(?P<stamp>\d{8}T\d{6}Z)-[0-9a-f]{12}\Z")


@lean_dataclass(frozen=True, slots=True)
class Backup:
    """A saved tip of a branch or, with the tag's full name as `branch`, of a tag; `restore_backup` takes `name`."""

    name: str
    branch: str
    tip: str
    saved: datetime


def list_backups(mirror: Path) -> list[Backup]:
    """Return the saved tips, newest first."""
    return backups_in(read_refs(mirror))


def backups_in(refs: RefSet) -> list[Backup]:
    """Return the saved tips among `refs`, newest first."""
    backups = []
    tags = {TAGS + name: tip for name, tip in refs.under(BACKUP_TAGS).items()}
    for name, tip in (refs.under(BACKUP) | tags).items():
        if match := _NAME.match(name):
            saved = datetime.strptime(match["stamp"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            backups.append(Backup(name, match["branch"], tip, saved))
    return sorted(backups, key=lambda backup: (backup.saved, backup.name), reverse=True)


def restore_backup(mirror: Path, name: str, to: str | None = None) -> str:
    """Set a branch (`to`, or its own) or a tag to a saved tip, after its present one is saved; return its name."""
    refs = read_refs(mirror)
    tip = refs.refs.get(_ref(name))
    match = _NAME.match(name)
    if tip is None or match is None:
        raise MirrorError(f"unknown backup {name!r}", hint="see `terok-sandbox gate backups SCOPE`")
    branch = to or match["branch"]
    tag = branch.startswith(TAGS)
    target = branch if tag else HEADS + branch
    now = refs.refs.get(target)
    saved = [] if now is None else saving(refs, branch.removeprefix(TAGS), now, tag=tag)[1]
    if (problem := change_refs_together(mirror, [*saved, RefChange(target, now, tip)])) is not None:
        raise MirrorError(f"{branch!r} was not restored: {problem}", hint="somebody may have pushed; try again")
    return branch


def prune_backups(
    mirror: Path, older_than: timedelta = RETENTION, now: datetime | None = None, refs: RefSet | None = None
) -> list[Backup]:
    """Remove and return the backups that are older than `older_than`; `refs` are the mirror's, if known."""
    limit = (now or datetime.now(UTC)) - older_than
    old = [backup for backup in backups_in(refs or read_refs(mirror)) if backup.saved < limit]
    errors = change_refs(mirror, [RefChange(_ref(backup.name), backup.tip, None) for backup in old])
    if errors:
        raise MirrorError(f"backups could not be removed: {errors[0]}")
    return old


def backup_name(ref: str) -> str:
    """Return the name, as `Backup` has it, of a ref with a saved tip."""
    return ref.removeprefix(BACKUP) if ref.startswith(BACKUP) else TAGS + ref.removeprefix(BACKUP_TAGS)


def _ref(name: str) -> str:
    return BACKUP_TAGS + name.removeprefix(TAGS) if name.startswith(TAGS) else BACKUP + name
