"""Races as lines for a person, and as JSON values. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from terok_util import table

from terok.cli.task_rows import age, label
from terok.model.race import NO_CHECK, NOTHING, PASSED, RUNNING, WANTED, is_judgeable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from terok.model.race import Column, Race, Standing
    from terok.model.task import Task
    from terok.services.race_board import Board

TITLES = ("N", "TASK", "AGENT", "STATE", "CHECK", "COST", "TIME", "CHANGE", "FINDINGS")
_SHARED = 10
_OUTPUT_LINES = 5
_PROMPT = 70
_CHECKS = {NO_CHECK: "-", WANTED: "waits", RUNNING: "runs", NOTHING: "nothing to check"}


def board_lines(board: Board, short: Mapping[str, str], race_short: str) -> Iterator[str]:
    """Yield the comparison of a race; `short` is how a person types its tasks."""
    race = board.race
    prompt = race.prompt if len(race.prompt) <= _PROMPT else f"{race.prompt[: _PROMPT - 1]}…"
    yield f"race {race_short} ({race.name}) of {race.project}, from {race.base[:12]}: {' '.join(prompt.split())}"
    if race.command:
        yield f"check: {race.command}"
    yield from table(TITLES, (_cells(one, board.least, short) for one in board.standings))
    if board.least:
        yield "* the least of those that can be judged"
    yield from _notes(board.standings)
    if board.shared:
        yield "touched by several:"
        for path, numbers in list(board.shared.items())[:_SHARED]:
            yield f"  {path}  ({', '.join(map(str, numbers))})"
        if len(board.shared) > _SHARED:
            yield f"  and {len(board.shared) - _SHARED} more"
    yield from _next(board, short, race_short)


def board_document(board: Board, short: Mapping[str, str], race_short: str) -> dict[str, Any]:
    """Return a comparison as JSON values."""
    return {
        "race": race_document(board.race, race_short),
        "attempts": [_attempt(one, short) for one in board.standings],
        "least": {name: list(numbers) for name, numbers in board.least.items()},
        "shared": [{"path": path, "attempts": list(numbers)} for path, numbers in board.shared.items()],
    }


def race_document(race: Race, short: str) -> dict[str, Any]:
    """Return a race as JSON values."""
    return {**race._asdict(), "short": short}


def counted(tasks: Iterable[Task]) -> str:
    """Return how many tasks are in which state, the most frequent first."""
    words = [label(task.word) for task in tasks]
    counts = sorted({word: words.count(word) for word in words}.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{count} {word}" for word, count in counts)


def _attempt(one: Standing, short: Mapping[str, str]) -> dict[str, Any]:
    size = one.size._asdict() if one.size is not None else None
    check = {name: getattr(one.check, name) for name in ("word", "exit_code", "seconds", "output")}
    names = ("number", "task", "name", "agent", "model", "fate", "word", "reason", "over", "kept", "branch", "tip")
    rest = {name: getattr(one, name) for name in (*names, "commits", "cost", "seconds", "findings", "problem")}
    more = {"short": short.get(one.task, one.task), "judgeable": is_judgeable(one), "size": size, "check": check}
    return rest | more


def _cells(one: Standing, best: Mapping[Column, tuple[int, ...]], short: Mapping[str, str]) -> tuple[str, ...]:
    def marked(column: Column, text: str) -> str:
        return f"{text} *" if one.number in best.get(column, ()) else text

    return (
        str(one.number),
        short.get(one.task, one.task),
        f"{one.agent}:{one.model}" if one.model else one.agent,
        _state(one),
        _CHECKS.get(one.check.word, one.check.word),
        marked("cost", _cost(one)),
        marked("seconds", "-" if one.seconds is None else _time(one.seconds)),
        marked("size", _size(one)),
        marked("findings", "-" if one.findings is None else str(one.findings)),
    )


def _cost(one: Standing) -> str:
    if one.cost is None:
        return "?" if one.seconds is not None else "-"
    return f"${one.cost:.4f}"


def _state(one: Standing) -> str:
    if one.fate == "deleted":
        return "deleted"
    said = "kept" if one.kept else label(one.word)
    return f"{said}, archived" if one.fate == "archived" else said


def _size(one: Standing) -> str:
    if one.size is None:
        return "nothing" if one.over and not one.problem else "-"
    files = f"{one.size.files} file{'' if one.size.files == 1 else 's'}"
    binary = f", {one.size.binary} binary" if one.size.binary else ""
    return f"+{one.size.added} -{one.size.deleted} in {files}{binary}"


def _time(seconds: float) -> str:
    return f"{seconds:.1f}s" if seconds < 10 else age(seconds) if seconds < 60 else f"{seconds / 60:.1f}m"


def _notes(standings: Iterable[Standing]) -> Iterator[str]:
    """Yield what stands in no cell: why a gate or check says nothing, and the end of what a failed one has printed."""
    for one in standings:
        if one.problem:
            yield f"{one.number}: the gate does not say what it has brought: {one.problem}"
        if one.fate != "deleted" and not one.tip and one.word in ("failed", "stopped", "unknown"):
            yield f"{one.number}: {one.reason}"
        if one.check.word not in (*_CHECKS, PASSED):
            code = f" with exit code {one.check.exit_code}" if one.check.exit_code is not None else ""
            yield f"{one.number}: the check {one.check.word}{code}"
            yield from (f"     {line}" for line in one.check.output.splitlines()[-_OUTPUT_LINES:])


def _next(board: Board, short: Mapping[str, str], race_short: str) -> Iterator[str]:
    if board.race.kept:
        return
    here = [one for one in board.standings if one.fate == "here" and is_judgeable(one)]
    if len(here) > 1:
        yield f"next: terok race show {race_short} --diff {here[0].number} {here[1].number}"
    if here:
        task = short.get(here[0].task, here[0].task) if len(here) == 1 else "TASK"
        yield f"{'next: ' if len(here) == 1 else '      '}terok review {task} && terok race keep {task}"
