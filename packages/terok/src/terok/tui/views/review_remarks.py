"""Remarks about a review: the gate's findings, and people's comments in threads, each with its place. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import Literal, NamedTuple

from terok_util import safe_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from terok.model.anchors import Place
    from terok.services.review_comments import Placed
    from terok.services.review_look import Look

    Said = Mapping[str, Sequence["Remark"]]
    """Remarks by the path of the file, those of no file that is shown as ""."""


class Remark(NamedTuple):
    """A finding, or a comment with its number. `place` names its lines for a person; all text is safe."""

    path: str
    side: Literal["new", "old", "file"]
    line: int
    place: str
    head: str
    text: str
    comment: int = 0
    answer: bool = False

    @property
    def elsewhere(self) -> bool:
        """Whether its place is another than its file."""
        return self.place != safe_text(self.path, limit=200)

    @property
    def sign(self) -> str:
        """The sign that tells a finding from a comment."""
        return "#" if self.comment else "!"


def remarks(look: Look) -> dict[str, tuple[Remark, ...]]:
    """Return everything that is said about a branch; comments that are settled are left out."""
    found: dict[str, list[Remark]] = defaultdict(list)
    for one in (*_findings(look), *_comments(look.comments, since=look.since is not None)):
        file = look.changes.file(one.path)  # which may have had this path before it was renamed
        found[file.path if file is not None else ""].append(one)
    return {path: tuple(rows) for path, rows in found.items()}


def open_comments(look: Look) -> int:
    """Return how many comments wait for the next follow-up."""
    return sum(one.comment.resolved is None and one.comment.delivery == "written" for one in look.comments)


def _findings(look: Look) -> Iterator[Remark]:
    for title, findings in (("refused", look.seen.report.refused), ("to look at", look.seen.report.flagged)):
        for finding in findings:
            path, line = finding.path, finding.line or 0
            place = safe_text(f"{path}:{line}" if line else path, limit=200)
            head = f"{safe_text(finding.rule, limit=60)} ({title})"
            text = safe_text(finding.detail, limit=400)
            yield Remark(path, "new" if path and line else "file", line, place, head, text)


def _comments(placed: Sequence[Placed], *, since: bool) -> Iterator[Remark]:
    """Yield comments with their answers behind them; an answer stands where its comment does."""
    places = {one.comment.id: one.now for one in placed}
    for comment, own in sorted(placed, key=lambda one: (one.comment.thread or one.comment.id, one.comment.id)):
        if comment.resolved is not None:
            continue
        now = places.get(comment.thread or comment.id, own)
        stale = ", stale" if now is None else ""
        head = f"#{comment.id} {safe_text(comment.author, limit=40)} ({comment.delivery}{stale})"
        text = safe_text(comment.text, multiline=True)
        path, side, line, place = _stand(comment.place if now is None else now, stale=now is None, since=since)
        yield Remark(path, side, line, place, head, text, comment.id, comment.thread is not None)


def _stand(at: Place, *, stale: bool, since: bool) -> tuple[str, Literal["new", "old", "file"], int, str]:
    """Return where a comment is shown. Of what is different since a round the older side has other numbers."""
    place = safe_text(str(at), limit=200)
    if stale or at.last is None or (since and at.side == "old"):
        return at.path, "file", 0, place
    return at.path, at.side, at.last, place


def counted(rows: Iterable[Remark]) -> str:
    """Return how many findings and comments there are, as `2! 1#`."""
    signs = [one.sign for one in rows]
    return " ".join(f"{signs.count(sign)}{sign}" for sign in "!#" if sign in signs)
