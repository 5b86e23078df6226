"""The bare mirror of one project: kept in step with its upstream, pushed to by containers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from terok_sandbox.gate.access import access_for
from terok_sandbox.gate.backups import prune_backups
from terok_sandbox.gate.credentials import UpstreamAccess
from terok_sandbox.gate.errors import MirrorError
from terok_sandbox.gate.layout import (
    MirrorRecord,
    create_mirror,
    install_hook,
    mirror_path,
    read_record,
    sweep_quarantine,
    write_record,
)
from terok_sandbox.gate.plan import PendingOp, RefNames, SyncPlan, plan_sync
from terok_sandbox.gate.refs import (
    ATTIC,
    HEADS,
    TAGS,
    UPSTREAM,
    UPSTREAM_TAGS,
    MirrorHistory,
    RefChange,
    RefSet,
    backup_ref,
    change_refs,
    change_refs_together,
    head_branch,
    point_head,
    read_refs,
)
from terok_sandbox.gate.source import resolve_repo
from terok_sandbox.gate.upstream import Advertised, Upstream

if TYPE_CHECKING:
    from terok_util import FileLock

_LOCK_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class GateSyncResult:
    """What a sync did.

    ``applied`` are gate branches that were created or fast-forwarded; ``pending`` wait for a person; ``errors``
    are refs that could not be changed (``success`` is False then); ``notes`` are worth a look, such as moved tags.
    """

    path: Path
    upstream_url: str | None
    created: bool
    success: bool
    applied: tuple[str, ...] = ()
    pending: tuple[PendingOp, ...] = ()
    gate_only_branches: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApplyPendingResult:
    """Branches that were changed, the refs that save their old tips, and what could not be done."""

    applied: tuple[str, ...]
    backups: tuple[str, ...]
    errors: tuple[str, ...]

    @property
    def success(self) -> bool:
        """Whether everything asked for was done."""
        return not self.errors


class GitGate:
    """The mirror of ``scope`` below ``base``.

    ``upstream`` is an absolute path, an https URL without credentials or an ssh address; None means a project without
    upstream. ``default_branch`` overrides the upstream's own choice, ``access`` what the mirror's record says of
    credentials.
    """

    def __init__(
        self,
        scope: str,
        *,
        base: Path,
        upstream: str | None,
        default_branch: str | None = None,
        access: UpstreamAccess | None = None,
    ) -> None:
        self.scope = scope
        self.path = mirror_path(base, scope)
        self.source = resolve_repo(upstream) if upstream is not None else None
        self.default_branch = default_branch
        self.access = access

    @classmethod
    def open(cls, scope: str, *, base: Path) -> GitGate:
        """Return the existing mirror of ``scope`` with the upstream it remembers; `MirrorError` if there is none."""
        record = read_record(mirror_path(base, scope))
        gate = cls(scope, base=base, upstream=None, default_branch=record.default_branch)
        if record.upstream is not None:
            gate.source = resolve_repo(record.upstream)
        return gate

    def sync(self, *, timeout: float = 1800.0) -> GateSyncResult:
        """Make the mirror if there is none, and bring it in step with its upstream.

        Branches are created and fast-forwarded; anything else is reported as pending. ``timeout`` (seconds) bounds
        the transfer. Raises `UpstreamUnreachable`, and `MirrorError` when another sync holds the mirror.
        """
        with self._lock():
            upstream = self.upstream()
            seen = upstream.advertised(timeout=min(timeout, 120.0)) if upstream else None
            created = not self.path.exists()
            if created:
                create_mirror(self.path, seen.object_format if seen else "sha1")
            else:
                install_hook(self.path)
                sweep_quarantine(self.path)
            address = self.source.address if self.source else None
            self._remember(address)
            if upstream is None or seen is None:
                if self.default_branch:
                    point_head(self.path, self.default_branch)
                return GateSyncResult(self.path, None, created, success=True)
            result = self._follow(upstream, seen, created=created, timeout=timeout)
            prune_backups(self.path)
            return result

    def upstream(self) -> Upstream | None:
        """Return the upstream, with what it may be shown of our credentials; None for a project without one."""
        if self.source is None:
            return None
        access = self.access
        if access is None and self.path.is_dir():
            access = access_for(read_record(self.path), self.path.parent)
        return Upstream(self.source, access)

    def branch_heads(self) -> dict[str, str]:
        """Return the branches that the container sees, with their tips."""
        return self._refs().under(HEADS)

    def pending_ops(self) -> tuple[PendingOp, ...]:
        """Work out, without the upstream, what waits for a person."""
        return self._plan(self._refs()).pending

    def apply_pending_ops(self, branches: Iterable[str] | None = None) -> ApplyPendingResult:
        """Carry out the pending operations (of ``branches`` only, if given).

        The old tip of each is saved under a backup ref in the same transaction, which fails if somebody has pushed
        to the branch since the operation was worked out.
        """
        wanted = None if branches is None else set(branches)
        applied: list[str] = []
        backups: list[str] = []
        errors: list[str] = []
        with self._lock():
            refs = self._refs()
            attic = refs.under(ATTIC)
            for op in self._plan(refs).pending:
                if wanted is not None and op.branch not in wanted:
                    continue
                saved = backup_ref(op.branch, op.gate_tip)
                changes = [RefChange(HEADS + op.branch, op.gate_tip, op.upstream_tip)]
                if saved not in refs.refs:
                    changes.insert(0, RefChange(saved, None, op.gate_tip))
                if op.branch in attic:
                    changes.append(RefChange(ATTIC + op.branch, attic[op.branch], None))
                problem = change_refs_together(self.path, changes)
                if problem is None:
                    applied.append(op.branch)
                    backups.append(saved)
                else:
                    errors.append(f"{op.branch}: {problem}")
        return ApplyPendingResult(tuple(applied), tuple(backups), tuple(errors))

    def _follow(self, upstream: Upstream, seen: Advertised, *, created: bool, timeout: float) -> GateSyncResult:
        before = self._refs()
        snapshot, tags = before.under(UPSTREAM), before.under(UPSTREAM_TAGS)
        if seen.branches != snapshot or seen.tags != tags:
            self._keep_proof(before, snapshot, seen)
            upstream.fetch_into(self.path, timeout=timeout)
            after = self._refs()
        else:
            after = before
        plan = self._plan(after, previous=snapshot)
        changes = [RefChange(HEADS + branch, old, new) for branch, (old, new) in plan.updates.items()]
        new_tags, tag_notes = _plan_tags(after)
        attic = after.under(ATTIC)
        changes += new_tags
        changes += [RefChange(ATTIC + branch, attic[branch], None) for branch in plan.resolved if branch in attic]
        errors = change_refs(self.path, changes)
        default = self.default_branch or seen.default_branch
        notes = plan.notes + tag_notes
        if (before_head := head_branch(self.path)) != default and default in seen.branches and not created:
            notes += (f"the default branch is now {default!r}, it was {before_head!r}",)
        if default and (default in seen.branches or self.default_branch):
            point_head(self.path, default)
        return GateSyncResult(
            path=self.path,
            upstream_url=upstream.source.address,
            created=created,
            success=not errors,
            applied=tuple(plan.updates),
            pending=plan.pending,
            gate_only_branches=plan.gate_only,
            notes=notes,
            errors=tuple(errors),
        )

    def _remember(self, address: str | None) -> None:
        try:
            record = read_record(self.path)
        except MirrorError:
            record = MirrorRecord(self.scope, address, self.default_branch)
        known = replace(record, scope=self.scope, upstream=address, default_branch=self.default_branch)
        write_record(self.path, known)

    def _keep_proof(self, before: RefSet, snapshot: dict[str, str], seen: Advertised) -> None:
        """Before the snapshot moves, keep what it said of every branch that changes; the first proof stays."""
        attic = before.under(ATTIC)
        names = RefNames(attic)
        changes = []
        for branch, tip in snapshot.items():
            if seen.branches.get(branch) != tip and branch not in attic and names.obstacle(branch) is None:
                names.add(branch)
                changes.append(RefChange(ATTIC + branch, None, tip))
        errors = change_refs(self.path, changes)
        if errors:
            raise MirrorError(f"the mirror at {self.path} cannot be prepared for a fetch: {errors[0]}")

    def _plan(self, refs: RefSet, previous: dict[str, str] | None = None) -> SyncPlan:
        snapshot = refs.under(UPSTREAM)
        proof = {**(previous if previous is not None else snapshot), **refs.under(ATTIC)}
        return plan_sync(refs.under(HEADS), snapshot, proof, MirrorHistory(self.path))

    def _refs(self) -> RefSet:
        if not self.path.is_dir():
            raise MirrorError(f"there is no mirror at {self.path}", hint=f"terok-sandbox gate sync {self.scope}")
        return read_refs(self.path)

    def _lock(self) -> FileLock:
        from terok_util import FileLock, ensure_dir

        ensure_dir(self.path.parent)
        return FileLock(self.path.with_suffix(".lock"), timeout=_LOCK_SECONDS)


def _plan_tags(refs: RefSet) -> tuple[list[RefChange], tuple[str, ...]]:
    ours = refs.under(TAGS)
    names = RefNames(ours)
    changes = []
    notes = []
    for tag, oid in refs.under(UPSTREAM_TAGS).items():
        if ours.get(tag) == oid:
            continue
        if tag in ours:
            notes.append(f"tag {tag!r} differs from the upstream's; the gate keeps {ours[tag][:12]}")
        elif (obstacle := names.obstacle(tag)) is not None:
            notes.append(f"tag {tag!r} was not created: tag {obstacle!r} is in its way")
        else:
            names.add(tag)
            changes.append(RefChange(TAGS + tag, None, oid))
    return changes, tuple(notes)
