"""Sync the bare mirror of one project with its upstream, and answer questions about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from terok_util import FileLock, ensure_dir
from terok_util.values import lean_dataclass

from terok_sandbox.config import SandboxConfig
from terok_sandbox.gate.backups import Backup, backups_in, prune_backups
from terok_sandbox.gate.errors import GateError, MirrorError, NoSuchBranch, UpstreamUnreachable
from terok_sandbox.gate.invoke import run_git
from terok_sandbox.gate.layout import (
    MirrorRecord,
    create_mirror,
    install_hook,
    mirror_path,
    read_record,
    sweep_quarantine,
    tidy,
    write_record,
)
from terok_sandbox.gate.plan import Divergence, PendingOp, RefNames, SyncPlan, plan_sync, plan_tags
from terok_sandbox.gate.refs import (
    ATTIC,
    ATTIC_TAGS,
    DETACHED,
    HEADS,
    TAGS,
    UPSTREAM,
    UPSTREAM_TAGS,
    RefChange,
    RefSet,
    change_refs,
    change_refs_together,
    create_unseen,
    head_branch,
    point_head,
    read_refs,
    saving,
)
from terok_sandbox.gate.source import known_repo, resolve_repo

if TYPE_CHECKING:
    from terok_sandbox.gate.credentials import UpstreamAccess
    from terok_sandbox.gate.upstream import Advertised, UpstreamRepository

_LOCK_SECONDS = 120.0


@lean_dataclass(frozen=True, slots=True)
class GateSyncResult:
    """The result of a sync.

    `applied` are gate branches that were created or fast-forwarded; `pending` wait for a person; `errors`
    are refs that could not be changed (`success` is False then); `notes` are worth a look, such as moved tags.
    `start` is the commit that new work starts from, the upstream's and not what agents have pushed,
    `default_branch` the branch it is on. Both are None where there is none.
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
    start: str | None = None
    default_branch: str | None = None


@lean_dataclass(frozen=True, slots=True)
class ApplyPendingResult:
    """Branches that were changed, the refs that save their old tips, and what could not be done."""

    applied: tuple[str, ...]
    backups: tuple[str, ...]
    errors: tuple[str, ...]

    @property
    def success(self) -> bool:
        """Whether everything asked for was done."""
        return not self.errors


class Mirror:
    """The mirror of `scope` below `base`.

    `upstream` is an absolute path, an https URL without credentials or an ssh address; None means a project without
    upstream. `default_branch` overrides the upstream's own choice, `access` what the mirror's record says of
    credentials. `config` is whose vault is asked for these (the user's own by default).
    """

    def __init__(
        self,
        scope: str,
        *,
        base: Path,
        upstream: str | None,
        default_branch: str | None = None,
        access: UpstreamAccess | None = None,
        config: SandboxConfig | None = None,
    ) -> None:
        self.scope = scope
        self.path = mirror_path(base, scope)
        self.source = resolve_repo(upstream) if upstream is not None else None
        self.default_branch = default_branch
        self.access = access
        self.config = config

    @classmethod
    def open(cls, scope: str, *, base: Path, config: SandboxConfig | None = None) -> Self:
        """Return the existing mirror of `scope` with the upstream it remembers; `MirrorError` if there is none."""
        record = read_record(mirror_path(base, scope))
        gate = cls(scope, base=base, upstream=None, default_branch=record.default_branch, config=config)
        if record.upstream is not None:
            gate.source = known_repo(record.upstream)
        return gate

    def sync(self, *, timeout: float = 1800.0) -> GateSyncResult:
        """Create the mirror if need be, and sync it with its upstream.

        Branches are created and fast-forwarded; anything else is reported as pending. `timeout` (seconds) bounds
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
            self._remember(self.source.address if self.source else None)
            if upstream is None or seen is None:
                if self.default_branch:
                    point_head(self.path, self.default_branch)
                return GateSyncResult(self.path, None, created, success=True)
            return self._follow(upstream, seen, created=created, timeout=timeout)

    def upstream(self) -> UpstreamRepository | None:
        """Return the upstream with its credentials; None for a project without one."""
        if self.source is None:
            return None
        from terok_sandbox.gate.credentials import access_for
        from terok_sandbox.gate.upstream import UpstreamRepository

        access = self.access
        if access is None:
            new = MirrorRecord(self.scope, self.source.address, self.default_branch)
            access = access_for(read_record(self.path) if self.path.is_dir() else new, self.path.parent, self.config)
        return UpstreamRepository(self.source, access)

    def branch_heads(self) -> dict[str, str]:
        """Return the branches that the container sees, with their tips."""
        return self._refs().under(HEADS)

    def backups(self) -> list[Backup]:
        """Return the saved tips, newest first."""
        return backups_in(self._refs())

    def compare_vs_upstream(self, branch: str) -> Divergence | None:
        """Count the commits of each side alone; None without such a branch upstream, `NoSuchBranch` without ours."""
        refs = self._refs().refs
        tip, theirs = refs.get(HEADS + branch), refs.get(UPSTREAM + branch)
        if tip is None:
            raise NoSuchBranch(branch, self.scope)
        return MirrorHistory(self.path).compare(tip, theirs) if theirs is not None else None

    def pending_ops(self) -> tuple[PendingOp, ...]:
        """Return the operations that wait for a person, without asking the upstream."""
        return self._pending(self._refs())

    def apply_pending_ops(self, branches: Iterable[str] | None = None) -> ApplyPendingResult:
        """Carry out the pending operations (of `branches` only, if given; tags by their full name).

        The old tip of each is saved under a backup ref in the same transaction, which fails if somebody has pushed
        to the branch since the operation was worked out.
        """
        wanted = None if branches is None else set(branches)
        applied: list[str] = []
        backups: list[str] = []
        errors: list[str] = []
        with self._lock():
            refs = self._refs()
            for op in self._pending(refs):
                if wanted is not None and op.name not in wanted:
                    continue
                saved, changes = saving(refs, op.branch, op.gate_tip, tag=op.tag)
                changes.append(RefChange((TAGS if op.tag else HEADS) + op.branch, op.gate_tip, op.upstream_tip))
                attic = (ATTIC_TAGS if op.tag else ATTIC) + op.branch
                if attic in refs.refs:
                    changes.append(RefChange(attic, refs.refs[attic], None))
                problem = change_refs_together(self.path, changes)
                if problem is None:
                    applied.append(op.name)
                    backups.append(saved)
                else:
                    errors.append(f"{op.name}: {problem}")
        return ApplyPendingResult(tuple(applied), tuple(backups), tuple(errors))

    def _follow(
        self, upstream: UpstreamRepository, seen: Advertised, *, created: bool, timeout: float, again: bool = True
    ) -> GateSyncResult:
        after = before = self._refs()
        moves = _moves(before, seen)
        if moves:
            self._keep_proof(before, moves)
            try:
                upstream.fetch_into(self.path, (move.new for move in moves if move.new), timeout=timeout)
            except UpstreamUnreachable:
                now = upstream.advertised(timeout=min(timeout, 120.0)) if again else seen
                if now == seen:
                    raise
                return self._follow(upstream, now, created=created, timeout=timeout, again=False)
            if problems := create_unseen(self.path, moves):
                raise MirrorError(f"the upstream's branches were not recorded: {problems[0]}")
            after = self._refs()
        plan, tags = self._plans(after, before)
        changes = [RefChange(HEADS + branch, old, new) for branch, (old, new) in plan.updates.items()]
        changes += [RefChange(TAGS + tag, old, new) for tag, (old, new) in tags.updates.items()]
        for place, resolved in ((ATTIC, plan.resolved), (ATTIC_TAGS, tags.resolved)):
            known = after.under(place)
            changes += [RefChange(place + name, known[name], None) for name in resolved if name in known]
        errors = (create_unseen if created else change_refs)(self.path, changes)
        prune_backups(self.path, refs=after)
        default = self.default_branch or seen.default_branch
        notes = plan.notes + tags.notes + _namesakes(after, plan)
        start = seen.branches.get(default) if default else seen.head
        if start and not default:
            self._keep_detached(upstream, start, after, timeout=timeout)
            notes += (f"the upstream's HEAD is on no branch; new work starts from its commit {start[:12]}",)
        if (before_head := head_branch(self.path)) != default and default in seen.branches and not created:
            notes += (f"the default branch is now {default!r}, it was {before_head!r}",)
        if default and (default in seen.branches or self.default_branch):
            point_head(self.path, default)
        try:
            tidy(self.path)
        except GateError as error:
            notes += (f"the mirror's packs were not put together: {error.message}",)
        return GateSyncResult(
            path=self.path,
            upstream_url=upstream.source.address,
            created=created,
            success=not errors,
            applied=tuple(plan.updates),
            pending=plan.pending + tags.pending,
            gate_only_branches=plan.gate_only,
            notes=notes,
            errors=tuple(errors),
            start=start,
            default_branch=default,
        )

    def _keep_detached(self, upstream: UpstreamRepository, commit: str, refs: RefSet, *, timeout: float) -> None:
        if refs.refs.get(DETACHED) == commit:
            return
        upstream.fetch_into(self.path, (commit,), timeout=timeout)
        if problem := change_refs_together(self.path, [RefChange(DETACHED, refs.refs.get(DETACHED), commit)]):
            raise MirrorError(f"the upstream's HEAD was not recorded: {problem}")

    def _remember(self, address: str | None) -> None:
        try:
            record = read_record(self.path)
        except MirrorError:
            record = MirrorRecord(self.scope, address, self.default_branch)
        known = replace(record, scope=self.scope, upstream=address, default_branch=self.default_branch)
        write_record(self.path, known)

    def _keep_proof(self, before: RefSet, moves: list[RefChange]) -> None:
        changes = []
        for place, proof in ((UPSTREAM, ATTIC), (UPSTREAM_TAGS, ATTIC_TAGS)):
            kept = before.under(proof)
            names = RefNames(kept)
            for move in moves:
                name = move.ref.removeprefix(place)
                if name == move.ref or move.old is None or name in kept or names.obstacle(name) is not None:
                    continue
                names.add(name)
                changes.append(RefChange(proof + name, None, move.old))
        if errors := create_unseen(self.path, changes):
            raise MirrorError(f"the mirror at {self.path} cannot be prepared for a fetch: {errors[0]}")

    def _plans(self, refs: RefSet, before: RefSet) -> tuple[SyncPlan, SyncPlan]:
        """Plan for branches and for tags; `before` holds the snapshot as it was."""
        history = MirrorHistory(self.path)
        proof = before.under(UPSTREAM) | refs.under(ATTIC)
        tag_proof = before.under(UPSTREAM_TAGS) | refs.under(ATTIC_TAGS)
        return (
            plan_sync(refs.under(HEADS), refs.under(UPSTREAM), proof, history),
            plan_tags(refs.under(TAGS), refs.under(UPSTREAM_TAGS), tag_proof, history),
        )

    def _pending(self, refs: RefSet) -> tuple[PendingOp, ...]:
        return tuple(op for plan in self._plans(refs, refs) for op in plan.pending)

    def _refs(self) -> RefSet:
        if not self.path.is_dir():
            raise MirrorError(f"there is no mirror at {self.path}", hint=f"run `terok-sandbox gate sync {self.scope}`")
        return read_refs(self.path)

    def _lock(self) -> FileLock:
        ensure_dir(self.path.parent)
        return FileLock(self.path.with_suffix(".lock"), timeout=_LOCK_SECONDS)


@lean_dataclass(frozen=True, slots=True)
class MirrorHistory:
    """Answer the planner's questions from the commits in a mirror."""

    mirror: Path

    def compare(self, gate_tip: str, upstream_tip: str) -> Divergence:
        """Count the commits that only one side has."""
        done = run_git("rev-list", "--left-right", "--count", f"{gate_tip}...{upstream_tip}", git_dir=self.mirror)
        ahead, behind = (int(number) for number in done.stdout.split())
        if not (ahead and behind):
            return Divergence(ahead, behind, related=True)
        base = run_git("merge-base", gate_tip, upstream_tip, git_dir=self.mirror, check=False)
        return Divergence(ahead, behind, related=base.returncode == 0)

    def count(self, tip: str, without: Iterable[str]) -> int:
        """Count the commits reachable from `tip` and from none of `without`."""
        done = run_git("rev-list", "--count", tip, "--not", *without, git_dir=self.mirror)
        return int(done.stdout)


def _namesakes(refs: RefSet, plan: SyncPlan) -> tuple[str, ...]:
    tags = refs.under(TAGS).keys() - refs.under(UPSTREAM_TAGS).keys()
    return tuple(
        f"the new branch {branch!r} has the name of a tag that was pushed here; git may confuse the two"
        for branch, (old, _) in plan.updates.items()
        if old is None and branch in tags
    )


def _moves(before: RefSet, seen: Advertised) -> list[RefChange]:
    """Return the changes of the snapshot, deletions first: a deleted name may be in the way of a new one."""
    gone: list[RefChange] = []
    come: list[RefChange] = []
    for place, now in ((UPSTREAM, seen.branches), (UPSTREAM_TAGS, seen.tags)):
        known = before.under(place)
        gone += [RefChange(place + name, oid, None) for name, oid in known.items() if name not in now]
        come += [RefChange(place + name, known.get(name), oid) for name, oid in now.items() if known.get(name) != oid]
    return gone + come
