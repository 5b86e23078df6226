"""The filter language: `s:question p:web age:>1h cost:>1 !s:done fix`. All terms must hold; `a,b` means either."""

from __future__ import annotations

import re
from typing import Final

from terok_util import LeanTuple, did_you_mean, safe_text

from terok.errors import FilterError
from terok.model.ids import normalize
from terok.model.words import STATES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from terok.model.task import Task

KEYS: Final = {
    "s": "state or group: " + ", ".join(STATES),
    "p": "project",
    "a": "agent",
    "m": "interactive, headless or web",
    "age": "since the state began: >1h, <30m; units s m h d w",
    "cost": "US dollars: >1, <0.5",
    "name": "part of the name",
    "id": "beginning of the identifier",
    "race": "beginning of the identifier of a race",
}
"""The keys, and what may follow the colon."""
MODES: Final = frozenset(("interactive", "headless", "web"))
MAX_FILTER: Final = 1000
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_TERM: Final = re.compile(r'(?P<no>!?)(?:(?P<key>[A-Za-z_]+):)?(?:"(?P<quoted>[^"]*)"|(?P<plain>\S*))')
_AGE: Final = re.compile(r"([<>])(\d{1,9}(?:\.\d{1,9})?)([smhdw])", re.ASCII)
_COST: Final = re.compile(r"([<>])(\d{1,9}(?:\.\d{1,9})?)", re.ASCII)


class Term(LeanTuple):
    """One condition; key "" is a bare word."""

    key: str
    values: tuple[str, ...]
    negated: bool


Query = tuple[Term, ...]


def parse_filter(text: str) -> Query:
    """Return the conditions of a filter; FilterError with the position of the first word that cannot be understood."""
    if len(text) > MAX_FILTER:
        raise FilterError(f"the filter is longer than {MAX_FILTER} characters", position=MAX_FILTER)
    terms, position = [], 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _TERM.match(text, position)
        assert match is not None
        if match.end() < len(text) and not text[match.end()].isspace():
            raise _wrong(text, match.end(), "a quoted value ends its term", "put a space behind the quote")
        terms.append(_term(text, match))
        position = match.end()
    return tuple(terms)


def matches(query: Query, task: Task, now: float) -> bool:
    """Whether `task`, as it was last judged, meets every condition."""
    return all(_holds(term, task, now) is not term.negated for term in query)


def _term(text: str, match: re.Match[str]) -> Term:
    key = (match["key"] or "").lower()
    value = match["plain"] if match["quoted"] is None else match["quoted"]
    start = match.start("plain") if match["quoted"] is None else match.start("quoted")
    if match["key"] and key not in KEYS:
        raise _wrong(text, match.start("key"), f"there is no key {key!r}", _near(key, KEYS))
    if not value:
        raise _wrong(text, start, "a value is missing", f"{key}: takes {KEYS[key]}" if key else "see `terok task list`")
    if key in _CHECKED and match["quoted"] is None:
        values = tuple(value.lower().split(","))
        for one in values:
            _check(text, start, key, one)
            start += len(one) + 1
    elif key in ("p", "a"):
        values = tuple(value.lower().split(","))
    else:
        values = (normalize(value) if key in ("id", "race") else value.casefold(),)
    return Term(key, values, bool(match["no"]))


def _check(text: str, start: int, key: str, value: str) -> None:
    wanted = _CHECKED[key]
    if isinstance(wanted, re.Pattern):
        if wanted.fullmatch(value) is None:
            raise _wrong(text, start, f"invalid {key} {value!r}", f"{key}: takes {KEYS[key]}")
    elif value not in wanted:
        raise _wrong(text, start, f"invalid value {value!r} of {key}:", _near(value, wanted))


def _wrong(text: str, position: int, message: str, hint: str) -> FilterError:
    shown = safe_text(text, limit=200)
    return FilterError(f"{safe_text(message)}, at character {position + 1} of {shown!r}", position=position, hint=hint)


def _near(word: str, known: Iterable[str]) -> str:
    return did_you_mean(word, known, f"use one of {', '.join(sorted(known))}")


def _holds(term: Term, task: Task, now: float) -> bool:
    return any(_TESTS[term.key](value, task, now) for value in term.values)


def _compare(value: str, actual: float, unit: int = 1) -> bool:
    number = float(value[1:]) * unit
    return actual > number if value[0] == ">" else actual < number


_CHECKED: Final[dict[str, frozenset[str] | re.Pattern[str]]] = {
    "s": frozenset(STATES),
    "m": MODES,
    "age": _AGE,
    "cost": _COST,
}
_TESTS: Final[dict[str, Callable[[str, Task, float], bool]]] = {
    "": lambda value, task, now: value in task.name or value in task.prompt.casefold(),
    "s": lambda value, task, now: value in (task.word, task.group) or value in task.also.split(),
    "p": lambda value, task, now: task.project == value,
    "a": lambda value, task, now: task.agent == value,
    "m": lambda value, task, now: task.mode == value,
    "age": lambda value, task, now: _compare(value[:-1], now - task.since, _UNITS[value[-1]]),
    "cost": lambda value, task, now: task.cost is not None and _compare(value, task.cost),
    "name": lambda value, task, now: value in task.name,
    "id": lambda value, task, now: task.id.startswith(value),
    "race": lambda value, task, now: task.race != "" and task.race.startswith(value),
}
