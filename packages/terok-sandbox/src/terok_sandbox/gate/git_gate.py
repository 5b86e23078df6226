"""The gate of one project for programs: its mirror, with reviews and promotions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from terok_sandbox.config import SandboxConfig
from terok_sandbox.gate.mirror import Mirror
from terok_sandbox.gate.new_work import NewWork, new_work
from terok_sandbox.gate.refs import UPSTREAM, ref_tip
from terok_sandbox.gate.review import ReviewedBranch, record_review, review_branch
from terok_sandbox.gate.review_marks import ReviewMark, forget_mark

if TYPE_CHECKING:
    from terok_sandbox.gate.pull_request import PreparedPullRequest


class GitGate(Mirror):
    """The mirror of `scope` below `base`, with what a person decides about its branches."""

    def review(self, branch: str) -> ReviewedBranch:
        """Return what a branch brings; `NoSuchBranch` when there is none."""
        return review_branch(self.path, branch)

    def record(self, branch: str, seen: ReviewedBranch) -> None:
        """Record that a person has seen this review, from which a promotion continues."""
        record_review(self.path, branch, seen)

    def promote(
        self, branch: str, *, to: str | None = None, accept_flags: bool = False, interactive: bool = False
    ) -> str:
        """Promote as `promotion.promote` does, without any credential of the vault.

        Raises `VaultLocked` too; `interactive` asks for the vault's passphrase.
        """
        from terok_sandbox.gate import promotion
        from terok_sandbox.gate.secret_search import vault_patterns

        patterns = vault_patterns(self.config or SandboxConfig.load(), interactive=interactive)
        return promotion.promote(self, branch, to=to, accept_flags=accept_flags, secrets=patterns)

    def upstream_tip(self, target: str) -> str | None:
        """Return the commit that the upstream's `target` was at when it was last seen; None if it was not there."""
        return ref_tip(self.path, UPSTREAM + target) or None

    def settle_promotion(self, branch: str, tip: str, target: str) -> bool:
        """Whether the upstream's `target` is at `tip` now; what a promotion that was cut off had left is done then."""
        from terok_sandbox.gate import promotion

        return promotion.settle(self, branch, tip, target)

    def take_promotion_back(self, tip: str, target: str, before: str | None) -> None:
        """Set the upstream's `target` from `tip` back to `before`, as `promotion.take_back` does."""
        from terok_sandbox.gate import promotion

        promotion.take_back(self, tip, target, before)

    def reject(self, branch: str, note: str) -> str:
        """Turn a branch down with a note that the agent sees, and return its tip."""
        from terok_sandbox.gate import promotion

        return promotion.reject(self, branch, note)

    def check_reviewed(self, branch: str, *, accept_flags: bool = False) -> ReviewMark:
        """Return what a person decided about a branch as it is; `PromotionRefused` unless it may go upstream."""
        from terok_sandbox.gate import promotion

        return promotion.check_reviewed(self, branch, accept_flags=accept_flags)

    def retire(self, branch: str, tip: str) -> None:
        """Remove a branch that is at `tip`, which is saved; one that has moved on is left as it is."""
        from terok_sandbox.gate.retirement import retire

        retire(self.path, branch, tip)

    def revive(self, branch: str, tip: str) -> None:
        """Make a branch again that was put away, unless there is one of that name."""
        from terok_sandbox.gate.retirement import revive

        revive(self.path, branch, tip)

    def pull_request(
        self, branch: str, *, head: str, base: str | None = None, title: str | None = None
    ) -> PreparedPullRequest:
        """Prepare a pull request from the upstream's `head` into `base`; `PromotionRefused`, `NoCredential`."""
        from terok_sandbox.gate.pull_request import prepare

        return prepare(self, branch, head=head, base=base, title=title)

    def new_work(self) -> list[NewWork]:
        """Return the branches with commits that the upstream lacks."""
        return new_work(self.path)

    def withdraw(self, branch: str) -> None:
        """Take back what was decided about a branch: it is new again. A note on its commit stays."""
        forget_mark(self.path, branch)

    def seed(self, base: Path) -> Path | None:
        """Return a copy of the mirror below `base` that a container may be given to read, if that is of use."""
        from terok_sandbox.gate.seed import refresh_seed

        return refresh_seed(self.path, base)
