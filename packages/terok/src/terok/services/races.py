"""The use cases of races: several attempts at one task from one commit, side by side, of which a person keeps one."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from terok_util import TerokError, UsageError, safe_text

from terok.errors import TaskError, UnknownRace
from terok.model.admission import Waiting
from terok.model.ids import is_prefix, normalize, short_ids
from terok.model.names import LATEST, check_task_name, generate_name
from terok.model.race import Attempt, Race
from terok.services.gates import Gates
from terok.services.mirroring import bring_up_to_date
from terok.services.promotion import details_of
from terok.services.race_board import board, difference
from terok.services.race_work import tip_of
from terok.services.task_creation import unused_id
from terok.store.races import add_race, all_races, attempts_of, race_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from terok.model.race import Contender
    from terok.model.task import Task
    from terok.services.race_board import Board
    from terok.services.task_creation import Asked
    from terok.services.tasks import Tasks
    from terok.store import Writer


_APART = 1e-5
"""Seconds between the places of two attempts in the queue, so that they start in their order."""


class Kept(NamedTuple):
    """The outcome of keeping an attempt: the operation, where its work is upstream, and the archived tasks."""

    operation: int
    race: str
    task: str
    target: str
    archived: tuple[str, ...]


class Races:
    """Everything that is done about races."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._store = tasks.store

    def run(
        self,
        project: str,
        prompt: str | None,
        contenders: Sequence[Contender],
        *,
        command: str = "",
        name: str | None = None,
        preset: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> Race:
        """Record a race whose attempts wait for the controller, which starts them as slots are free.

        All begin from the commit that the upstream has now, with the same prompt and settings (as `Tasks.create` takes
        them) but for agent and model. `command` is a check for a shell, run on what each attempt has brought when it
        has ended. Attempts are called `name`-1, `name`-2 and so on.

        Raises:
            ConfigError, ProjectError: The project or its configuration is wrong.
            GateError: The upstream cannot be read.
            UsageError: The request is wrong.
        """
        if name is not None:
            check_task_name(f"{name}-{len(contenders)}")
        asked = {
            one: self._tasks.prepare(
                project, prompt, mode="headless", preset=preset, overrides={**(overrides or {}), **_own(one)}, more=more
            )
            for one in dict.fromkeys(contenders)
        }
        base = self._pin(next(iter(asked.values())))
        with self._store.write() as writer:
            race = self._recorded(writer, [asked[one] for one in contenders], base, command, name)
        self._tasks.wake_controller()
        return race

    def all(self) -> list[Race]:
        """Return the races that are not deleted, the newest first."""
        return all_races(self._store)

    def find(self, text: str) -> Race:
        """Return the race that a person means by its name, the beginning of its id, or `@latest`."""
        races, begun = self.all(), normalize(text)
        found = [one for one in races if text == one.name or (is_prefix(begun) and one.id.startswith(begun))]
        if text == LATEST:
            found = races[:1]
        if len(found) != 1:
            problem = f"{safe_text(text, limit=80)} fits {len(found)} races" if found else None
            raise UnknownRace(problem or f"there is no race {safe_text(text, limit=80)}", hint="see `terok race list`")
        return found[0]

    def of_task(self, task: Task) -> Race:
        """Return the race that a task is an attempt of; UnknownRace if there is none."""
        race = race_of(self._store, task.race) if task.race else None
        if race is None or race.trashed is not None:
            raise UnknownRace(f"task {task.id} belongs to no race", hint="see `terok race list`")
        return race

    def shorts(self) -> dict[str, str]:
        """Return the shortest beginning of every race's id."""
        return short_ids(one.id for one in self.all())

    def attempts(self, race: Race) -> list[Attempt]:
        """Return the attempts of a race as they were asked for."""
        return attempts_of(self._store, race.id)

    def tasks(self, race: Race) -> list[Task]:
        """Return the tasks of a race that are not deleted, by the numbers of the attempts."""
        return self.members([race])[race.id]

    def members(self, races: Iterable[Race]) -> dict[str, list[Task]]:
        """Return the tasks of several races by the race's id, as `tasks` does; all are read at once."""
        here = {task.id: task for task in self._store.tasks() if task.race}
        return {race.id: [here[one.task] for one in self.attempts(race) if one.task in here] for race in races}

    def board(self, race: Race) -> Board:
        """Return what is known about each attempt now, side by side."""
        return board(self._tasks, race_of(self._store, race.id) or race)

    def difference(self, race: Race, one: str, other: str) -> tuple[Attempt, Attempt, str]:
        """Return two attempts, said by number, name or task, and the difference between their work."""
        return difference(self._tasks, race, one, other)

    def keep(self, task: Task, *, to: str | None = None, accept_flags: bool = False) -> Kept:
        """Promote an attempt, which has been reviewed, to the upstream's branch `to`, and archive the others.

        Raises:
            UnknownRace: The task belongs to no race.
            TaskError: It has brought nothing, or another attempt is kept.
            GateError: It cannot be promoted; then nothing has changed.
        """
        race = self.of_task(task)
        if race.kept:
            raise TaskError(
                f"task {race.kept} of race {race.name} is kept already", hint="take that back: see `terok op log`"
            )
        gates = Gates(self._tasks)
        branch, tip, _ = tip_of(gates, race, task)
        if not tip:
            raise TaskError(
                f"task {task.id} has nothing in the gate to promote", hint=f"see `terok race show {race.name}`"
            )
        target = to or branch
        others = [one for one in self.tasks(race) if one.id != task.id and one.archived is None]
        going = []
        for one in others:
            if self._store.request(one.id).get("sealed"):
                self._tasks.say(f"note: the workspace of {one.name} is in its container, so it is not archived")
            else:
                going.append(one.id)
        sent = details_of(gates.open(race.scope), branch, tip, target, task=task.id, accept_flags=accept_flags)
        details = {**sent, "race": race.id, "tasks": going}
        summary = f"kept {task.project}/{task.name}, promoted to {target}, and archived {len(going)} others"
        number = self._tasks.operations.run("race keep", task.id, summary, "race.keep", details)
        return Kept(number, race.id, task.id, target, tuple(going))

    def stop(self, race: Race) -> dict[str, TerokError | None]:
        """Stop every attempt that runs or waits, and return by task what has gone wrong, None if nothing has."""
        outcomes: dict[str, TerokError | None] = {}
        for task in self.tasks(race):
            if not self._tasks.is_over(task):
                try:
                    self._tasks.stop(task)
                    outcomes[task.id] = None
                except TerokError as error:
                    outcomes[task.id] = error
        return outcomes

    def delete(self, race: Race) -> int:
        """Delete a race with its attempts; returns the number of the operation that brings all of it back."""
        details = {"race": race.id, "tasks": [task.id for task in self.tasks(race)]}
        return self._tasks.operations.run(
            "race delete", race.id, f"deleted race {race.name} of {race.project}", "race.delete", details
        )

    def _pin(self, asked: Asked) -> str:
        """Return the commit that all attempts begin from."""
        synced = bring_up_to_date(asked.project, self._tasks.say)
        if synced.start is None:
            raise TaskError(
                f"project {asked.project.name} has no commit to begin from", hint="commit something upstream first"
            )
        return synced.start

    def _recorded(self, writer: Writer, asked: Sequence[Asked], base: str, command: str, name: str | None) -> Race:
        project = asked[0].project.name
        race_id = unused_id({row[0] for row in writer.rows("SELECT id FROM races")})
        if name is None:
            # A name with a number is no name of a task; what it begins with must be free too.
            taken = {one.name.rpartition("-")[0] for one in writer.candidates() if one.project == project}
            name = generate_name(secrets.token_bytes(8), taken)
        if any(one.name == name and one.project == project for one in all_races(writer)):
            raise UsageError(f"project {project} has a race named {name}", hint=f"see `terok race show {name}`")
        race = Race(race_id, name, project, writer.at, asked[0].prompt or "", project, base, command)
        attempts = []
        for number, one in enumerate(asked, 1):
            begun = replace(one, request={**one.request, "start": base})
            task = self._tasks.record(writer, begun, f"{name}-{number}", race=race_id)
            writer.enqueue(Waiting(task.id, task.project, writer.at + number * _APART))
            attempts.append(Attempt(race_id, number, task.id, task.name, task.agent, task.model))
        add_race(writer, race, attempts)
        return race


def _own(contender: Contender) -> dict[str, Any]:
    """Return the settings that a contender has of its own."""
    own = {"agent.name": contender.agent, "agent.model": contender.model}
    return {key: value for key, value in own.items() if value}
