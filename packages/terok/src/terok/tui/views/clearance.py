"""Destinations that wait for a verdict, and the verdicts there are, as lines. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from terok.tui.views.choice import Option
from terok.tui.views.rows import passed
from terok.tui.views.text import Line, Span, cropped, fit, said

if TYPE_CHECKING:
    from collections.abc import Mapping

    from terok.model.task import Task
    from terok.services.clearances import Wish

_SPANS: Final = (
    ("once", "once", "new connections within a minute"),
    ("minutes", "for some minutes", "you say how many"),
    ("task", "for this task", "while its container exists"),
    ("project", "for this project", "this container and later ones of its project"),
)
MINUTES: Final = 10
"""Minutes that are proposed."""


def verdicts(*, allow: bool | None = None) -> tuple[Option, ...]:
    """Return the verdicts that can be given, denials first, or only those that allow or deny."""
    found = []
    for verb, style in (("deny", "needs"), ("allow", "plain")):
        if allow is None or allow is (verb == "allow"):
            found += [Option(f"{verb} {span}", f"{verb} {words}", about, style) for span, words, about in _SPANS]
    return tuple(found)


def minutes_of(text: str) -> tuple[int | None, str]:
    """Return the minutes in front of a reason, such as `10` or `10m`, and the reason; None where there are none."""
    first, _, rest = text.strip().partition(" ")
    digits = first.removesuffix("m")
    return (int(digits[:6]), rest.strip()) if digits.isascii() and digits.isdigit() else (None, text.strip())


def wish_line(wish: Wish, tasks: Mapping[str, Task], now: float, cells: int) -> Line:
    """Return one question: who asks, for what, and since when."""
    task = tasks.get(wish.task)
    who = f"{task.project}/{task.name}" if task is not None else wish.container
    more = [Span("  new", "needs")] if wish.first_time else []
    more += [said(f"  {wish.odd}", "error")] if wish.odd else []
    return cropped(
        (
            Span(fit(who, 24 if cells >= 60 else 12), "bold"),
            Span(" "),
            said(wish.target, "needs"),
            *more,
            said(f"  by {wish.program}" if wish.program else "", "dim"),
            Span(f"  {passed(now - wish.since)}" + (f", {wish.times} times" if wish.times > 1 else ""), "dim"),
        ),
        cells,
    )


def wish_lines(wish: Wish, cells: int) -> list[Line]:
    """Return what is known about one question, what matters most first."""
    asked = f"first request for {wish.domain or wish.target}" if wish.first_time else ""
    asked += ", " * bool(asked and wish.times > 1) + (f"asked {wish.times} times" if wish.times > 1 else "")
    rows = [
        ("asks for", wish.target + (f" ({wish.address})" if wish.address else ""), "bold"),
        ("beware", wish.odd, "error"),
        ("opens", wish.opens, "plain"),
        ("program", f"{wish.program} (it chooses its name itself)" if wish.program else "", "plain"),
        ("asked", asked, "plain"),
        ("refused", wish.why, "plain"),
        ("in", wish.container, "plain"),
        *((name, text, "dim") for name, text in wish.context),
    ]
    return [cropped((Span(fit(name, 9), "dim"), said(text, style)), cells) for name, text, style in rows if text]
