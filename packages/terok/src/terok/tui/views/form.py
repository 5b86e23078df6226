"""A form: fields with what is in them and what is wrong with it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from terok.tui.views.text import Line, Span, cropped, fit, said

_LABEL = 12


class Field(NamedTuple):
    """One field. `choices` are all that it takes, if it does not take any text; `shown` stands for its value."""

    key: str
    label: str
    value: str
    help: str = ""
    choices: tuple[str, ...] = ()
    problem: str = ""
    shown: str = ""


def field_line(field: Field, cells: int) -> Line:
    """Return a field as a line."""
    value = Span(fit(field.shown or field.value or "-", max(cells - _LABEL - 2, 1)).rstrip())
    problem = (said(f"  {field.problem}", "error"),) if field.problem else ()
    style = "error" if field.problem else "dim"
    return cropped((Span(fit(field.label, _LABEL), style), Span("  "), value, *problem), cells)


def field_lines(field: Field) -> list[Line]:
    """Return what a field is for, and what it takes."""
    lines: list[Line] = [(said(field.help),)]
    if field.problem:
        lines.append((said(field.problem, "error"),))
    if field.choices:
        marked = [f"[{one}]" if one == field.value else one or "-" for one in field.choices]
        lines.append((Span("one of: ", "dim"), said("  ".join(marked))))
    return lines


def next_choice(field: Field) -> str:
    """Return the choice after the one that a field has; the first if it has none of them."""
    here = field.choices.index(field.value) if field.value in field.choices else -1
    return field.choices[(here + 1) % len(field.choices)]


def first_problem(fields: Sequence[Field]) -> int | None:
    """Return the number of the first field that something is wrong with."""
    return next((number for number, field in enumerate(fields) if field.problem), None)
