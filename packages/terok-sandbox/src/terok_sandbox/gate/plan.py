"""Decide what a sync may do: create and fast-forward; everything else waits for a person.

Pure: it gets three maps of branch to tip (the gate's branches, the upstream's, and proof of what the upstream once had)
and a `History` that answers questions about commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, Protocol

from terok_util.values import lean_dataclass

Reason = Literal["upstream_rewrite", "upstream_delete", "diverged", "unknown_provenance"]

MAX_COMPARED: Final = 2000  # branches, and tags, whose history one sync compares; each takes git a few milliseconds


@lean_dataclass(frozen=True, slots=True)
class PendingOp:
    """A change to a branch or `tag` of the gate that a sync does not make by itself.

    `gate_only_commits` counts the commits that leave the branch and that the upstream never had there;
    `lossless` says that nothing of the gate's own is lost. `upstream_tip` is None for a deletion.
    """

    kind: Literal["force_update", "delete"]
    branch: str
    reason: Reason
    gate_tip: str
    upstream_tip: str | None
    lossless: bool
    gate_only_commits: int
    tag: bool = False

    @property
    def name(self) -> str:
        """The branch's name, or the full name of a tag, as a person writes it."""
        return f"refs/tags/{self.branch}" if self.tag else self.branch


@lean_dataclass(frozen=True, slots=True)
class Divergence:
    """Commits only on the gate's side, only on the upstream's side, and whether the two share any."""

    ahead: int
    behind: int
    related: bool


class History(Protocol):
    """Questions about commits that are present in the mirror."""

    def compare(self, gate_tip: str, upstream_tip: str) -> Divergence:
        """Count the commits that only one side has."""

    def count(self, tip: str, without: Iterable[str]) -> int:
        """Count the commits reachable from `tip` and from none of `without`."""


class RefNames:
    """The branch names in use; git cannot hold both `a` and `a/b`."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names: set[str] = set()
        self._below: dict[str, str] = {}
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        """Take `name` into use."""
        self._names.add(name)
        for parent in _parents(name):
            self._below.setdefault(parent, name)

    def obstacle(self, name: str) -> str | None:
        """Return a name in use that rules `name` out, if there is one."""
        above = next((parent for parent in _parents(name) if parent in self._names), None)
        return above or self._below.get(name)


@lean_dataclass(frozen=True, slots=True)
class SyncPlan:
    """Changes to the gate's branches.

    `updates` maps a branch to (old tip or None, new tip); `resolved` are branches whose saved proof is no
    longer needed; `gate_only` are branches the upstream never had.
    """

    updates: Mapping[str, tuple[str | None, str]]
    pending: tuple[PendingOp, ...]
    resolved: tuple[str, ...]
    gate_only: tuple[str, ...]
    notes: tuple[str, ...]


def plan_sync(
    heads: Mapping[str, str], upstream: Mapping[str, str], proof: Mapping[str, str], history: History
) -> SyncPlan:
    """Compare the gate's `heads` with the `upstream` branches.

    `proof` gives, per branch, the last tip that the upstream was known to have before the one in `upstream`:
    it distinguishes a rewritten branch from one that moved on, and a deleted branch from one the upstream never had.
    """
    updates: dict[str, tuple[str | None, str]] = {}
    pending: list[PendingOp] = []
    resolved: list[str] = []
    notes: list[str] = []
    names = RefNames(heads)
    judged = left = 0
    for branch, new in sorted(upstream.items()):
        tip = heads.get(branch)
        if tip is None:
            obstacle = names.obstacle(branch)
            if obstacle is None:
                updates[branch] = (None, new)
                names.add(branch)
            else:
                notes.append(f"branch {branch!r} was not created: branch {obstacle!r} is in its way")
            resolved.append(branch)
            continue
        if tip != new:
            judged += 1
            if judged > MAX_COMPARED:
                left += 1
                continue
        op = None if tip == new else _judge(branch, tip, new, proof.get(branch), history)
        if isinstance(op, PendingOp):
            pending.append(op)
            continue
        if op == "forward":
            updates[branch] = (tip, new)
        resolved.append(branch)
    gone = [branch for branch in sorted(heads) if branch not in upstream]
    deleted = [branch for branch in gone if branch in proof]
    for branch in deleted[:MAX_COMPARED]:
        lost = history.count(heads[branch], without=(proof[branch],))
        pending.append(PendingOp("delete", branch, "upstream_delete", heads[branch], None, lost == 0, lost))
    left += len(deleted[MAX_COMPARED:])
    if left:
        notes.append(f"{left} more branches changed upstream; sync again when these are settled")
    gate_only = tuple(branch for branch in gone if branch not in proof)
    resolved += [branch for branch in proof if branch not in heads and branch not in upstream]
    return SyncPlan(updates, tuple(pending), tuple(resolved), gate_only, tuple(notes))


def plan_tags(
    ours: Mapping[str, str], upstream: Mapping[str, str], proof: Mapping[str, str], history: History
) -> SyncPlan:
    """Compare the gate's tags with the upstream's: new ones are created, a tag that moved or went waits."""
    updates: dict[str, tuple[str | None, str]] = {}
    pending: list[PendingOp] = []
    notes: list[str] = []
    names = RefNames(ours)
    for tag, new in sorted(upstream.items()):
        oid = ours.get(tag)
        if oid == new:
            continue
        if oid is not None:
            if len(pending) < MAX_COMPARED:
                reason: Reason = "upstream_rewrite" if tag in proof else "unknown_provenance"
                pending.append(_tag_op("force_update", tag, reason, oid, new, proof.get(tag), history))
        elif (obstacle := names.obstacle(tag)) is not None:
            notes.append(f"tag {tag!r} was not created: tag {obstacle!r} is in its way")
        else:
            names.add(tag)
            updates[tag] = (None, new)
    gone = [tag for tag in sorted(ours) if tag not in upstream and tag in proof]
    pending += [
        _tag_op("delete", tag, "upstream_delete", ours[tag], None, proof[tag], history)
        for tag in gone[: MAX_COMPARED - len(pending)]
    ]
    waiting = {op.branch for op in pending}
    resolved = tuple(tag for tag in proof if tag not in waiting and (tag not in ours or tag in upstream))
    gate_only = tuple(tag for tag in sorted(ours) if tag not in upstream and tag not in proof)
    return SyncPlan(updates, tuple(pending), resolved, gate_only, tuple(notes))


def _tag_op(
    kind: Literal["force_update", "delete"],
    tag: str,
    reason: Reason,
    oid: str,
    new: str | None,
    base: str | None,
    history: History,
) -> PendingOp:
    lost = 0 if oid == base else history.count(oid, without=[known for known in (new, base) if known is not None])
    return PendingOp(kind, tag, reason, oid, new, oid == base, lost, tag=True)


def _judge(
    branch: str, tip: str, new: str, base: str | None, history: History
) -> PendingOp | Literal["forward", "ahead"]:
    sides = history.compare(tip, new)
    if sides.ahead == 0:
        return "forward"
    rewritten = base is not None and base != new and history.count(base, without=(new,)) > 0
    if sides.behind == 0 and not rewritten:
        return "ahead"
    reason: Reason = "upstream_rewrite" if rewritten else "diverged" if sides.related else "unknown_provenance"
    lost = history.count(tip, without=(new, base) if base is not None else (new,))
    return PendingOp("force_update", branch, reason, tip, new, lost == 0, lost)


def _parents(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]
