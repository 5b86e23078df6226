"""Names of projects and tasks, and how a person says which task is meant."""

from __future__ import annotations

import re

from terok_util import LeanTuple, did_you_mean, safe_text

from terok.errors import AmbiguousTask, BadName, UnknownTask
from terok.model.ids import normalize, short_ids
from terok.model.name_words import ADJECTIVES, NOUNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

LATEST = "@latest"
MAX_PROJECT = 40
MAX_TASK = 60
_SHOWN = 8
"""Candidates that an error lists."""

# Both become parts of container names, branches and directories, so lower case only. A dot is in the names of mirrors
# that belong to a project beside its own.
_PROJECT = re.compile(rf"[a-z0-9](?:[a-z0-9_-]{{0,{MAX_PROJECT - 2}}}[a-z0-9])?")
_TASK = re.compile(rf"[a-z0-9](?:[a-z0-9-]{{0,{MAX_TASK - 2}}}[a-z0-9])?")


class Candidate(LeanTuple):
    """The fields of a task that an address can match."""

    id: str
    project: str
    name: str
    created: float


class Address(LeanTuple):
    """Which task is meant: the latest one, or one by identifier, prefix or name; of one project, or of any."""

    project: str | None
    task: str
    latest: bool


def check_project_name(name: str) -> str:
    """Return `name` if a project can be called so; BadName otherwise."""
    if _PROJECT.fullmatch(name) is None:
        raise BadName(
            f"invalid project name {safe_text(name, limit=80)!r}",
            hint=f"use 1 to {MAX_PROJECT} of a-z 0-9 _ - and begin and end with a letter or digit",
        )
    return name


def check_task_name(name: str) -> str:
    """Return `name` if a task can be called so; BadName otherwise."""
    if _TASK.fullmatch(name) is None:
        raise BadName(
            f"invalid task name {safe_text(name, limit=80)!r}",
            hint=f"use 1 to {MAX_TASK} of a-z 0-9 - and begin and end with a letter or digit",
        )
    return name


def generate_name(random_bytes: bytes, taken: Collection[str]) -> str:
    """Return a name such as `calm-otter` that is not `taken`; eight random bytes are enough."""
    adjectives, nouns = ADJECTIVES.split(), NOUNS.split()
    number, first = divmod(int.from_bytes(random_bytes, "big"), len(adjectives))
    name = f"{adjectives[first]}-{nouns[number % len(nouns)]}"
    if name not in taken:
        return name
    return next(candidate for suffix in range(2, len(taken) + 3) if (candidate := f"{name}-{suffix}") not in taken)


def parse_address(text: str) -> Address:
    """Read `task`, `project/task`, `@latest` or `project/@latest`; UnknownTask for anything else."""
    project, slash, task = text.strip().rpartition("/")
    if slash and _PROJECT.fullmatch(project) is None:
        raise UnknownTask(f"invalid address {safe_text(text, limit=80)!r}", hint=_HINT)
    latest = task == LATEST
    if not latest and not re.fullmatch(r"[A-Za-z0-9-]{1,64}", task):
        raise UnknownTask(f"invalid address {safe_text(text, limit=80)!r}", hint=_HINT)
    return Address(project or None, "" if latest else task, latest)


def resolve(address: Address, candidates: Iterable[Candidate]) -> str:
    """Return the identifier of the one task that `address` means, out of all that may be meant.

    A whole identifier comes first, then names and prefixes of identifiers together.

    Raises:
        UnknownTask: There is none.
        AmbiguousTask: There are several.
    """
    everyone = list(candidates)
    eligible = [one for one in everyone if address.project in (None, one.project)]
    if address.latest:
        if not eligible:
            where = f" in project {address.project}" if address.project else ""
            raise UnknownTask(f"there is no task{where} yet", hint="start one with `terok task run PROJECT`")
        return max(eligible, key=lambda one: (one.created, one.id)).id
    prefix = normalize(address.task)
    found = [one for one in eligible if one.id == prefix] or [
        one for one in eligible if one.name == address.task or (prefix and one.id.startswith(prefix))
    ]
    if len(found) == 1:
        return found[0].id
    said = f"{address.project}/{address.task}" if address.project else address.task
    if not found:
        known = [one.name for one in eligible]
        raise UnknownTask(f"there is no task {said}", hint=did_you_mean(address.task, known, "see `terok task list`"))
    short = short_ids(one.id for one in everyone)
    raise AmbiguousTask(
        f"{said} fits {len(found)} tasks: {_listed(found, short)}", hint="give more characters of its id"
    )


def _listed(found: Sequence[Candidate], short: dict[str, str]) -> str:
    shown = [f"{short[one.id]} {one.project}/{one.name}" for one in found[:_SHOWN]]
    return ", ".join([*shown, *(["…"] if len(found) > _SHOWN else [])])


_HINT = "write TASK, PROJECT/TASK, @latest or PROJECT/@latest; see `terok task list`"
