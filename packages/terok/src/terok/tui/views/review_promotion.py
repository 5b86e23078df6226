"""A promotion in words and as a command. Pure."""

from __future__ import annotations

from terok_util import safe_text

from terok.tui.views.text import several

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok.services.review_look import Look


def decided(look: Look, task: str, target: str, base: str) -> tuple[str, list[str]]:
    """Return a promotion as a question and as a command: on top of the target if that has moved on."""
    branch = look.work.branch
    words = [f"promote {safe_text(branch, limit=60)} to {safe_text(target, limit=60)}"]
    command = ["promote", task, "--branch", branch, "--to", target]
    if look.moved is not None and target == look.moved.target:
        words.append(f"on top of its {several(look.moved.commits, 'new commit')}")
        command.append("--rebase")
    if flagged := len(look.seen.report.flagged):
        words.append(f"with {several(flagged, 'finding')} that you have looked at")
        command.append("--accept-flags")
    if base:
        words.append(f"with a pull request into {safe_text(base, limit=60)}")
        command += ["--pull-request", "--base", base]
    return ", ".join(words), command


def moved_words(look: Look) -> str:
    """Return what has come upstream since the work began, "" for nothing."""
    if look.moved is None:
        return ""
    both = f"; both change {', '.join(look.moved.files)}" if look.moved.files else ""
    commits = several(look.moved.commits, "commit")
    return f"{look.moved.target} has got {commits} since: {'; '.join(look.moved.subjects)}{both}"
