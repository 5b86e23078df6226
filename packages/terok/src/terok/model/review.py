"""Comments, rounds and checks of a review, as they are recorded; times are seconds since the epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from terok_util import LeanTuple

from terok.model.anchors import Place, Quote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from terok.model.task import FollowUpState

Delivery = Literal["written", "sent", "seen", "answered"]
CheckState = Literal["running", "passed", "failed", "timed out", "too much output", "broken off"]
MOST_TEXT: Final = 4000
"""Characters of one comment."""
AT_ONCE: Final = 100
"""Comments that go with one follow-up; more wait for the next."""
_QUOTED: Final = 12
_WIDTH: Final = 200


class Comment(LeanTuple):
    """A comment on the commit `tip` of `branch`, which leaves the upstream at `base`.

    `thread` is the comment that it answers. `follow_up` is the prompt that it goes with, once one has been claimed.
    """

    id: int
    task: str
    branch: str
    tip: str
    base: str
    place: Place
    quote: Quote
    text: str
    author: str
    written: float
    thread: int | None
    follow_up: int | None
    resolved: float | None
    delivery: Delivery


class Round(LeanTuple):
    """One look of a person at a branch: the commit that was shown, and the one where it left its base."""

    id: int
    task: str
    scope: str
    branch: str
    tip: str
    base: str
    at: float


class CheckRun(LeanTuple):
    """One run of a command on a commit; `output` is safe text, with `left_out` bytes missing in its middle."""

    id: int
    task: str
    branch: str
    tip: str
    command: str
    state: CheckState
    exit_code: int | None
    output: str
    left_out: int
    started: float
    ended: float | None


def delivery(
    state: FollowUpState | None, changed: float | None, started: float | None, ended: float | None
) -> Delivery:
    """Return how far a comment has come, by the follow-up it goes with and the task's present run.

    An agent has answered once the turn that was given the comment is over.
    """
    if state == "sent":
        return "sent"
    if state != "seen" or changed is None:
        return "written"
    later = started is not None and started > changed
    return "answered" if later or ended is not None else "seen"


def letter(text: str, comments: Iterable[Comment]) -> str:
    """Return the prompt that an agent is given: what the person says next, and the comments that go with it."""
    parts = [text]
    for comment in comments:
        if len(parts) == 1:
            parts.append("The reviewer's comments on what you have pushed:")
        where = f"{comment.place} " if comment.place.path else ""
        lines = [f"{len(parts) - 1}. {where}({comment.branch} at {comment.tip[:12]})"]
        shown = comment.quote.lines[:_QUOTED]
        lines += [f"   > {line[:_WIDTH]}" for line in shown]
        if len(comment.quote.lines) > len(shown):
            lines.append(f"   > … {len(comment.quote.lines) - len(shown)} more lines")
        if comment.place.side == "old":
            lines.append("   (lines that you have deleted or changed)")
        lines += [f"   {line}" for line in comment.text.split("\n")]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)
