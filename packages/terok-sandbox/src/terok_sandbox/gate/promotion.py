"""From review to upstream: what is new, what a person decided about it, and sending it on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from terok_util.text import safe_text

from terok_sandbox.gate.errors import MirrorError, NoSuchBranch, PromotionRefused
from terok_sandbox.gate.held import find_held
from terok_sandbox.gate.inspect.inspection import Report, inspect_range
from terok_sandbox.gate.inspect.objects import Objects
from terok_sandbox.gate.inspect.policy import load_policy
from terok_sandbox.gate.inspect.rules import Finding
from terok_sandbox.gate.mirror import GitGate
from terok_sandbox.gate.names import misleading
from terok_sandbox.gate.notes import attach_note
from terok_sandbox.gate.refs import HEADS, TAGS, UPSTREAM, MirrorHistory, RefChange, change_refs, head_branch, read_refs
from terok_sandbox.gate.review import Review, base_tip, review_branch
from terok_sandbox.gate.verdicts import MAX_NOTE, Verdict, forget_verdict, now, read_verdicts, record_verdict

if TYPE_CHECKING:
    from terok_sandbox.vault.scrub import Patterns

_TIMEOUT: Final = 1800.0


@dataclass(frozen=True, slots=True)
class NewWork:
    """A branch with commits that the upstream has not; `state` is `new`, `reviewed` or `rejected`."""

    branch: str
    tip: str
    commits: int
    flags: int
    state: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class ReviewedBranch:
    """A review with the findings of the inspection."""

    review: Review
    report: Report


def new_work(gate: GitGate) -> list[NewWork]:
    """Return the branches that bring something, by name."""
    verdicts = read_verdicts(gate.path)
    refs = read_refs(gate.path)
    found = []
    for branch, tip in sorted(refs.under(HEADS).items()):
        base = base_tip(gate.path, refs, branch)
        if tip == base:
            continue
        commits = MirrorHistory(gate.path).count(tip, without=[base] if base else [])
        if commits == 0 or (base is None and gate.source is None and branch == head_branch(gate.path)):
            continue
        report = inspect_range(Objects(gate.path), tip, base, load_policy(gate.path))
        verdict = verdicts.get(branch)
        current = verdict if verdict is not None and verdict.tip == tip else None
        state = "new" if current is None else "rejected" if current.rejected else "reviewed"
        flags = len(report.flagged) + len(report.refused)
        found.append(NewWork(branch, tip, commits, flags, state, current.note if current else ""))
    return found


def review(gate: GitGate, branch: str) -> ReviewedBranch:
    """Show what a branch brings; `NoSuchBranch` when there is none."""
    shown = review_branch(gate.path, branch)
    report = inspect_range(Objects(gate.path), shown.tip, shown.base, load_policy(gate.path))
    if not shown.whole:
        report = replace(report, flagged=(*report.flagged, Finding("not-scanned", "", "the patch is not shown")))
    return ReviewedBranch(shown, report)


def record_review(gate: GitGate, branch: str, seen: ReviewedBranch) -> None:
    """Remember that a person has seen this; a promotion goes on from exactly here."""
    snapshot = read_refs(gate.path).under(UPSTREAM)
    target = branch if branch in snapshot else head_branch(gate.path)
    flags = len(seen.report.flagged) + len(seen.report.refused)
    known = read_verdicts(gate.path).get(branch)
    if known is not None and known.rejected and known.tip == seen.review.tip:
        return
    record_verdict(
        gate.path,
        Verdict(
            *(branch, seen.review.tip, target, snapshot.get(target)),
            base=seen.review.base,
            flags=flags,
            time=now(),
        ),
    )


def promote(
    gate: GitGate,
    branch: str,
    *,
    to: str | None = None,
    accept_flags: bool = False,
    held: Sequence[Patterns] = (),
) -> str:
    """Send a reviewed branch upstream and return the upstream branch that has it now.

    `to` is the upstream's branch (the same name without it); `held` betrays secrets that must not leave
    (`held_patterns`). Raises `PromotionRefused` when the branch was not
    reviewed or has changed since, when it has findings and `accept_flags` is not set, when the upstream's branch
    is not what the review compared with, would lose commits or get some that the review did not show, when a secret
    would be sent, and when the upstream does not take it.
    """
    upstream = gate.upstream()
    if upstream is None:
        raise PromotionRefused(f"the project {gate.scope} has no upstream", hint="fetch from 'gate path' instead")
    verdict = check_reviewed(gate, branch, accept_flags=accept_flags)
    target = to or branch
    _check_name(target)
    seen = upstream.advertised(timeout=120.0)
    current = seen.branches.get(target)
    if current is None and (why := misleading(HEADS + target, lambda ref: ref.removeprefix(TAGS) in seen.tags)):
        raise PromotionRefused(why, hint="promote to a branch of another name with --to")
    if current == verdict.tip:
        raise PromotionRefused(f"the upstream's {target} is at this commit already")
    refs = read_refs(gate.path)
    compared = refs.refs.get(UPSTREAM + target)
    if current != compared or (target == verdict.target and current != verdict.target_tip):
        raise PromotionRefused(
            f"the upstream's branch {target} has changed since the review",
            hint=f"terok-sandbox gate sync {gate.scope}, then review again",
        )
    if current is not None and MirrorHistory(gate.path).count(current, without=[verdict.tip]):
        raise PromotionRefused(
            f"the upstream's branch {target} has commits that {branch} lacks",
            hint="have the agent merge or rebase, or promote to a new branch with --to",
        )
    if current is not None and verdict.base and MirrorHistory(gate.path).count(verdict.base, without=[current]):
        raise PromotionRefused(
            f"the upstream's branch {target} would get commits that the review did not show",
            hint="promote to a new branch with --to, and open a pull request",
        )
    if place := find_held(gate.path, verdict.tip, set(refs.under(UPSTREAM).values()), held, [target]):
        raise PromotionRefused(
            f"a credential of the vault is in {place}",
            hint="replace the credential at its provider, and reject the branch: `terok-sandbox gate reject`",
        )
    upstream.push_from(gate.path, verdict.tip, target, current, timeout=_TIMEOUT)
    change_refs(gate.path, [RefChange(UPSTREAM + target, compared, verdict.tip)])
    forget_verdict(gate.path, branch)
    return target


def is_promoted(gate: GitGate, branch: str, target: str) -> bool:
    """Tell whether the upstream's `target` is at the tip of `branch`, also when asked now."""
    upstream = gate.upstream()
    refs = read_refs(gate.path).refs
    tip = refs.get(HEADS + branch)
    if upstream is None or tip is None or refs.get(UPSTREAM + target) != tip:
        return False
    return upstream.advertised(timeout=120.0).branches.get(target) == tip


def reject(gate: GitGate, branch: str, note: str) -> str:
    """Turn a branch down as it is, and return its tip.

    The agent sees `note` in the output of its next push, and as a git note (`refs/notes/commits`) on the commit.
    """
    tip = gate.branch_heads().get(branch)
    if tip is None:
        raise NoSuchBranch(branch, gate.scope)
    text = note.strip()
    if not text or len(text) > MAX_NOTE:
        raise MirrorError(f"a note has 1 to {MAX_NOTE} characters", hint="say with -m why the branch is rejected")
    record_verdict(gate.path, Verdict(branch, tip, rejected=True, note=text, time=now()))
    attach_note(gate.path, tip, f"Rejected by the reviewer: {text}\n")
    return tip


def check_reviewed(gate: GitGate, branch: str, *, accept_flags: bool) -> Verdict:
    """Return what a person decided about a branch as it is now; `PromotionRefused` unless it may go upstream."""
    again = f"terok-sandbox gate review {gate.scope} {branch}"
    tip = gate.branch_heads().get(branch)
    verdict = read_verdicts(gate.path).get(branch)
    if tip is None:
        raise NoSuchBranch(branch, gate.scope)
    if verdict is None:
        raise PromotionRefused(f"the branch {branch} was not reviewed", hint=again)
    if verdict.rejected and verdict.tip == tip:
        raise PromotionRefused(
            f"the branch {branch} was rejected: {verdict.note}", hint="it stays so until something else is pushed to it"
        )
    if verdict.rejected or verdict.tip != tip:
        raise PromotionRefused(f"the branch {branch} has changed since the review", hint=again)
    if verdict.flags and not accept_flags:
        raise PromotionRefused(
            f"the review of {branch} showed {verdict.flags} findings", hint="say --accept-flags once you looked at them"
        )
    return verdict


def _check_name(branch: str) -> None:
    bad = not branch or branch.startswith(("-", "/", "refs/")) or ".." in branch or branch.endswith((".lock", "/", "."))
    if bad or any(char.isspace() or char in "~^:?*[\\\x7f" or ord(char) < 32 for char in branch):
        raise PromotionRefused(f"{safe_text(branch)!r} is no name for a branch")
