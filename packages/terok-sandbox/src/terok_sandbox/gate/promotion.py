"""From review to upstream: what is new, what a person decided about it, and sending it on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from terok_util.text import safe_text

from terok_sandbox.gate.errors import MirrorError, NoSuchBranch, PromotionRefused
from terok_sandbox.gate.invoke import run_git
from terok_sandbox.gate.mirror import Mirror, MirrorHistory
from terok_sandbox.gate.refs import (
    HEADS,
    TAGS,
    UPSTREAM,
    RefChange,
    ambiguity,
    change_refs,
    change_refs_together,
    read_refs,
)
from terok_sandbox.gate.review import EMPTY_TREE
from terok_sandbox.gate.review_marks import MAX_NOTE, ReviewMark, forget_mark, read_marks, record_mark, timestamp
from terok_sandbox.gate.secret_search import find_secret
from terok_sandbox.vault.scrub import Patterns

_TIMEOUT: Final = 1800.0
_NOTES: Final = "refs/notes/commits"
_IDENTITY: Final = {"user.name": "terok gate", "user.email": "gate@localhost"}


def promote(
    mirror: Mirror, branch: str, *, to: str | None = None, accept_flags: bool = False, secrets: Sequence[Patterns] = ()
) -> str:
    """Send a reviewed branch upstream and return the upstream branch that has it now.

    `to` is the upstream's branch (the same name without it); `secrets` must not leave
    (`vault_patterns`). Raises `PromotionRefused` when the branch was not
    reviewed or has changed since, when it has findings and `accept_flags` is not set, when the upstream's branch
    is not what the review compared with, would lose commits or get some that the review did not show, when a secret
    would be sent, and when the upstream does not take it.
    """
    upstream = mirror.upstream()
    if upstream is None:
        raise PromotionRefused(
            f"the project {mirror.scope} has no upstream", hint="fetch from the directory that 'gate path' prints"
        )
    mark = check_reviewed(mirror, branch, accept_flags=accept_flags)
    target = to or branch
    _check_name(target)
    seen = upstream.advertised(timeout=120.0)
    current = seen.branches.get(target)
    if current is None and (why := ambiguity(HEADS + target, lambda ref: ref.removeprefix(TAGS) in seen.tags)):
        raise PromotionRefused(why, hint="promote to a branch of another name with --to")
    if current == mark.tip:
        raise PromotionRefused(f"the upstream's {target} is at this commit already")
    refs = read_refs(mirror.path)
    compared = refs.refs.get(UPSTREAM + target)
    if current != compared or (target == mark.target and current != mark.target_tip):
        raise PromotionRefused(
            f"the upstream's branch {target} has changed since the review",
            hint=f"terok-sandbox gate sync {mirror.scope}, then review again",
        )
    if current is not None and MirrorHistory(mirror.path).count(current, without=[mark.tip]):
        raise PromotionRefused(
            f"the upstream's branch {target} has commits that {branch} lacks",
            hint="have the agent merge or rebase, or promote to a new branch with --to",
        )
    if current is not None and mark.base and MirrorHistory(mirror.path).count(mark.base, without=[current]):
        raise PromotionRefused(
            f"the upstream's branch {target} would get commits that the review did not show",
            hint="promote to a new branch with --to, and open a pull request",
        )
    if place := find_secret(mirror.path, mark.tip, set(refs.under(UPSTREAM).values()), secrets, [target]):
        raise PromotionRefused(
            f"a credential of the vault is in {place}",
            hint="replace the credential at its provider, and reject the branch: `terok-sandbox gate reject`",
        )
    upstream.push_from(mirror.path, mark.tip, target, current, timeout=_TIMEOUT)
    change_refs(mirror.path, [RefChange(UPSTREAM + target, compared, mark.tip)])
    forget_mark(mirror.path, branch)
    return target


def is_promoted(mirror: Mirror, branch: str, target: str) -> bool:
    """Whether the upstream's `target` is at the tip of `branch`, as last seen and now."""
    upstream = mirror.upstream()
    refs = read_refs(mirror.path).refs
    tip = refs.get(HEADS + branch)
    if upstream is None or tip is None or refs.get(UPSTREAM + target) != tip:
        return False
    return upstream.advertised(timeout=120.0).branches.get(target) == tip


def settle(mirror: Mirror, branch: str, tip: str, target: str) -> bool:
    """Whether the upstream's `target` is at `tip` now; then what a promotion that was cut off had left is done."""
    upstream = mirror.upstream()
    if upstream is None or upstream.advertised(timeout=120.0).branches.get(target) != tip:
        return False
    seen = read_refs(mirror.path).refs.get(UPSTREAM + target)
    if seen != tip:
        change_refs(mirror.path, [RefChange(UPSTREAM + target, seen, tip)])
        forget_mark(mirror.path, branch)
    return True


def take_back(mirror: Mirror, tip: str, target: str, before: str | None) -> None:
    """Set the upstream's `target` from `tip`, to which it was promoted, back to `before` (None: there was no branch).

    Raises `PromotionRefused` if it is at neither, as when others have gone on from there.
    """
    upstream = mirror.upstream()
    if upstream is None:
        raise PromotionRefused(f"the project {mirror.scope} has no upstream any more", hint="nothing was changed")
    current = upstream.advertised(timeout=120.0).branches.get(target)
    if current not in (tip, before):
        raise PromotionRefused(
            f"the upstream's branch {target} has changed since {tip[:12]} was promoted to it",
            hint="revert the commits there: others may have gone on from them",
        )
    if current == tip:
        upstream.push_from(mirror.path, before, target, tip, timeout=_TIMEOUT)
    seen = read_refs(mirror.path).refs.get(UPSTREAM + target)
    if seen != before:
        change_refs(mirror.path, [RefChange(UPSTREAM + target, seen, before)])


def reject(mirror: Mirror, branch: str, note: str) -> str:
    """Turn a branch down; return its tip. The agent sees `note` with its next push, and as a git note on the commit."""
    tip = mirror.branch_heads().get(branch)
    if tip is None:
        raise NoSuchBranch(branch, mirror.scope)
    text = note.strip()
    if not text or len(text) > MAX_NOTE:
        raise MirrorError(f"a note has 1 to {MAX_NOTE} characters", hint="say with -m why the branch is rejected")
    record_mark(mirror.path, ReviewMark(branch, tip, rejected=True, note=text, time=timestamp()))
    _attach_note(mirror.path, tip, f"Rejected by the reviewer: {text}\n")
    return tip


def check_reviewed(mirror: Mirror, branch: str, *, accept_flags: bool) -> ReviewMark:
    """Return what a person decided about a branch as it is now; `PromotionRefused` unless it may go upstream."""
    again = f"terok-sandbox gate review {mirror.scope} {branch}"
    tip = mirror.branch_heads().get(branch)
    mark = read_marks(mirror.path).get(branch)
    if tip is None:
        raise NoSuchBranch(branch, mirror.scope)
    if mark is None:
        raise PromotionRefused(f"the branch {branch} was not reviewed", hint=again)
    if mark.rejected and mark.tip == tip:
        raise PromotionRefused(
            f"the branch {branch} was rejected: {mark.note}", hint="it stays so until something else is pushed to it"
        )
    if mark.rejected or mark.tip != tip:
        raise PromotionRefused(f"the branch {branch} has changed since the review", hint=again)
    if mark.flags and not accept_flags:
        raise PromotionRefused(
            f"the review of {branch} showed {mark.flags} findings", hint="say --accept-flags once you looked at them"
        )
    return mark


def _check_name(branch: str) -> None:
    bad = not branch or branch.startswith(("-", "/", "refs/")) or ".." in branch or branch.endswith((".lock", "/", "."))
    if bad or any(char.isspace() or char in "~^:?*[\\\x7f" or ord(char) < 32 for char in branch):
        raise PromotionRefused(f"{safe_text(branch)!r} is not a valid branch name", hint="use a name that git accepts")


def _attach_note(mirror: Path, oid: str, text: str) -> None:
    """Set the git note of a commit, in place of an earlier one; the container can fetch but not change it."""
    refs = read_refs(mirror).refs
    before = refs.get(_NOTES)
    blob = run_git("hash-object", "-w", "--stdin", git_dir=mirror, input=text.encode()).text.strip()
    entries = _entries(mirror, before) | {oid: blob}
    listing = "".join(f"100644 blob {note}\t{name}\n" for name, note in sorted(entries.items()))
    tree = run_git("mktree", git_dir=mirror, input=listing.encode()).text.strip()
    parents = ["-p", before] if before else []
    made = run_git("commit-tree", "-m", "Note by the reviewer", *parents, tree, git_dir=mirror, config=_IDENTITY)
    if problem := change_refs_together(mirror, [RefChange(_NOTES, before, made.text.strip())]):
        raise MirrorError(f"the note was not attached: {problem}")


def _entries(mirror: Path, notes: str | None) -> dict[str, str]:
    if notes is None:
        return {}
    listing = run_git(
        "diff-tree", "-r", "--root", "--raw", "--no-abbrev", EMPTY_TREE[len(notes)], notes, git_dir=mirror
    )
    entries = {}
    for line in listing.text.splitlines():
        words, _, name = line.partition("\t")
        entries[name] = words.split(" ")[3]
    return entries
