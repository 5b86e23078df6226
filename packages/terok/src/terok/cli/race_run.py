"""`race run`: from a prompt to several attempts, and to their comparison."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from terok_util import Progress, UsageError, safe_text, show

from terok.cli.race_rows import board_document, board_lines
from terok.cli.task_options import overrides, read_prompt, request_fields
from terok.model.race import contenders, is_judgeable
from terok.services import Races, Tasks
from terok.services.race_waiting import wait_for

if TYPE_CHECKING:
    from terok.model.race import Race


def run(
    project: str,
    prompt: str | None,
    prompt_file: str | None,
    attempts: int | None,
    agents: str | None,
    check: str | None,
    name: str | None,
    preset: str | None,
    wait: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Start a race; with `wait` stay until all attempts have ended, and compare them."""
    text = read_prompt(prompt, prompt_file)
    if not (text or "").strip():
        raise UsageError("a race needs a prompt", hint='say what to do: `terok race run PROJECT "…"`')
    taking_part = contenders([one for one in (agents or "").split(",") if one.strip()], attempts)
    with Progress() as say, Tasks(say=say) as tasks:
        races = Races(tasks)
        race = races.run(
            project,
            text,
            taking_part,
            command=check or "",
            name=name,
            preset=preset,
            overrides=overrides(options),
            more=request_fields(options),
        )
        say.clear()
        short = races.shorts()[race.id]
        begun = f"race {short} ({race.name}): {len(taking_part)} attempts from {race.base[:12]}"
        if not wait:
            leads = f"`terok race show {short}` compares them, `terok task logs -f {race.name}-1` looks on"
            show(board_document(races.board(race), tasks.shorts(), short), as_json, [begun, leads])
            return 0
        print(begun, file=sys.stderr)
        return _stay(tasks, races, race, as_json=as_json)


def _stay(tasks: Tasks, races: Races, race: Race, *, as_json: bool) -> int:
    """Wait for the attempts and their checks, say each end, and print the comparison."""
    short, race_short = tasks.shorts(), races.shorts()[race.id]
    try:
        for said in wait_for(tasks, race):
            print(safe_text(said), file=sys.stderr)
    except KeyboardInterrupt:
        print(f"the race goes on: `terok race show {race_short}`, `terok race stop {race_short}`", file=sys.stderr)
        raise
    board = races.board(race)
    show(board_document(board, short, race_short), as_json, board_lines(board, short, race_short))
    return 0 if any(is_judgeable(one) for one in board.standings) else 1
