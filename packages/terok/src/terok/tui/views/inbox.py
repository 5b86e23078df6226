"""The inbox: groups of tasks, the place of the cursor among them, and how keys move it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from terok_util import lean_dataclass

from terok.errors import FilterError
from terok.model.filter import Query, matches, parse_filter
from terok.model.shown import SHOWN_GROUPS, ordered
from terok.model.words import ATTENTION, TITLES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok.model.task import Task
    from terok.tui.views.world import World

HEADS: Final = {**{group: title.upper() for group, title in TITLES.items()}, "over": "DONE", "doubt": "IN DOUBT"}
"""The headings of the groups."""


@lean_dataclass(frozen=True, slots=True)
class Place:
    """Where a person is in the inbox; kept from one start to the next."""

    at: str = ""
    """The task, or the group, that the cursor is on."""
    filter: str = ""
    folded: frozenset[str] = frozenset(("over",))
    marks: frozenset[str] = frozenset()
    peek: bool = True


class Item(NamedTuple):
    """One line of the inbox: the heading of a group, or a task. `key` is the group or the task's id."""

    key: str
    group: str
    task: Task | None = None
    size: int = 0
    folded: bool = False


class InboxView(NamedTuple):
    """The inbox as it is shown: its lines, the number of the one with the cursor, and what the filter says."""

    items: tuple[Item, ...]
    cursor: int
    problem: str = ""

    @property
    def chosen(self) -> Item | None:
        """The line with the cursor."""
        return self.items[self.cursor] if self.items else None


def inbox(world: World, place: Place, now: float, *, before: Sequence[Item] = ()) -> InboxView:
    """Return the inbox; a cursor whose line is gone stays where it was among the lines `before`."""
    query, problem = _query(place.filter)
    tasks = [task for task in world.tasks.values() if not query or matches(query, task, now)]
    by_group: dict[str, list[Task]] = {group: [] for group in SHOWN_GROUPS}
    for task in ordered(tasks):
        by_group[task.group].append(task)
    items: list[Item] = []
    for group, found in by_group.items():
        if found:
            folded = group in place.folded and not query
            items.append(Item(group, group, None, len(found), folded))
            items += () if folded else (Item(task.id, group, task) for task in found)
    return InboxView(tuple(items), _cursor(items, place.at, before), problem)


def _query(text: str) -> tuple[Query, str]:
    try:
        return parse_filter(text), ""
    except FilterError as error:
        return (), error.message


def _cursor(items: Sequence[Item], at: str, before: Sequence[Item]) -> int:
    if not items:
        return 0
    places = {item.key: number for number, item in enumerate(items)}
    if at in places:
        return places[at]
    old = next((number for number, item in enumerate(before) if item.key == at), 0)
    for item in (*before[old:], *reversed(before[:old])):  # the next that is still there, else the one above
        place = places.get(item.key)
        if place is not None and (items[place].task is not None or items[place].folded):
            return place
    return next((number for number, item in enumerate(items) if item.task is not None), 0)


def moved(view: InboxView, place: Place, steps: int) -> Place:
    """Return the place after the cursor has moved by `steps` lines, over headings of groups that are open."""
    stops = [number for number, item in enumerate(view.items) if item.task is not None or item.folded]
    if not stops:
        return place
    here = sum(number < view.cursor for number in stops)
    if view.cursor not in stops and steps > 0:
        steps -= 1
    target = stops[min(max(here + steps, 0), len(stops) - 1)]
    return replace(place, at=view.items[target].key)


def folded(view: InboxView, place: Place) -> Place:
    """Return the place after the group of the cursor was folded, or unfolded with the cursor on its first task."""
    item = view.chosen
    if item is None:
        return place
    if item.task is None and item.folded:
        place = replace(place, folded=place.folded - {item.group})
        return replace(place, at=item.group)
    return replace(place, at=item.group, folded=place.folded | {item.group})


def marked(view: InboxView, place: Place) -> Place:
    """Return the place after the task at the cursor was marked, or no longer, with the cursor on the next line."""
    item = view.chosen
    if item is None or item.task is None:
        return place
    return moved(view, replace(place, marks=place.marks ^ {item.key}), 1)


def all_marked(view: InboxView, place: Place) -> Place:
    """Return the place with everything that is shown marked, or nothing if it was."""
    shown = frozenset(item.key for item in view.items if item.task is not None)
    return replace(place, marks=frozenset() if shown <= place.marks else place.marks | shown)


def needing(tasks: Iterable[Task]) -> list[Task]:
    """Return the tasks that need a person, in the order of the inbox."""
    return [task for task in ordered(tasks) if task.word in ATTENTION]


def next_needing(tasks: Iterable[Task], at: str, step: int) -> Task | None:
    """Return the next task that needs a person, or the one before with `step` -1; it goes around."""
    found = needing(tasks)
    if not found:
        return None
    here = next((number for number, task in enumerate(found) if task.id == at), None)
    if here is None:
        return found[0 if step > 0 else -1]
    return found[(here + step) % len(found)]


def place_to_json(place: Place) -> dict[str, Any]:
    """Return the part of a place that is kept, as JSON values; marks are not."""
    return {"at": place.at, "filter": place.filter, "folded": sorted(place.folded), "peek": place.peek}


def place_from_json(kept: Any) -> Place:
    """Return the place that `place_to_json` gave; what cannot be read is as at the first start."""
    try:
        folded = frozenset(group for group in kept["folded"] if group in SHOWN_GROUPS)
        return Place(str(kept["at"]), str(kept["filter"]), folded, peek=kept["peek"] is True)
    except (KeyError, TypeError):
        return Place()
