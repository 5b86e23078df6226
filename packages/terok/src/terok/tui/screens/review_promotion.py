"""The questions before a promotion: to which branch, for which pull request, and whether it is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from terok_util import safe_text

from terok.tui.views.review_promotion import decided, moved_words

if TYPE_CHECKING:
    from terok.services.review_look import Look
    from terok.tui.screens.page import Page


class Promotion(NamedTuple):
    """A promotion that is being asked for on a screen."""

    page: Page
    look: Look
    task: str

    def ask_target(self) -> None:
        """Ask for the branch, below what has come upstream meanwhile."""
        if said := moved_words(self.look):
            self.page.note(said)
        self.page.ask(
            "promote to branch:",
            self._ask_base,
            text=safe_text(self.look.work.branch),
            hint="a branch of the upstream; esc leaves it",
        )

    def _ask_base(self, target: str) -> None:
        target = target.strip()
        if not target:
            return
        if target == self.look.seen.target != self.look.work.branch:
            self._ask_whether(target, "")
        else:
            self.page.ask(
                "pull request into:",
                lambda base: self._ask_whether(target, base.strip()),
                hint=f"a branch such as {safe_text(self.look.seen.target)}; nothing opens none",
            )

    def _ask_whether(self, target: str, base: str) -> None:
        words, command = decided(self.look, self.task, target, base)
        self.page.confirm(words, lambda: self.page.terok.run_verb(*command))
