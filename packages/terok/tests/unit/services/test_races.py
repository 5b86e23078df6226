"""Races over a real mirror and an engine of files: same beginning, slots, what each has brought, and taking it back."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from terok.engines import Command
from terok.errors import TaskError, UnknownRace
from terok.model.race import Contender, Race, Standing, contenders
from terok.model.task import Task
from terok.services import Races, Reviews, Tasks
from terok.services.projects import Projects
from terok.services.race_checks import run_check
from terok.store import Store
from terok.store.races import due_checks, take_check
from terok_sandbox import GateError, GitGate, SandboxConfig
from terok_util import UsageError

from .conftest import PlainEngine
from .test_tasks import in_child, other_tasks

GIT = ("git", "-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
DEMO = contenders(["demo"], 3)


def git(directory: Path, *words: str) -> str:
    return subprocess.run([*GIT, *words], cwd=directory, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def upstream(root: Path) -> Path:
    """Give the project `web` a repository with one commit."""
    place = root / "upstream"
    place.mkdir()
    git(place, "init", "-q")
    (place / "README.md").write_text("one\ntwo\n")
    git(place, "add", ".")
    git(place, "commit", "-q", "-m", "Begin")
    file = root / "config/projects/web/project.yml"
    file.write_text(f"git: {{upstream: {place}}}\nagent: {{name: demo}}\npresets: {{long: {{run: {{timeout: 77}}}}}}\n")
    return place


@pytest.fixture
def races(tasks: Tasks, upstream: Path) -> Races:
    return Races(tasks)


@pytest.fixture
def checked(engine: PlainEngine) -> list[str]:
    """Let the engine run checks, in a clone of the mirror; returns the commands that it has run."""
    ran: list[str] = []

    def run_command(command: Command, on_line: Callable[[str], None]) -> int:
        ran.append(command.command)
        place = engine.place / f"check-{len(ran)}"
        git(engine.place, "clone", "-q", "-n", str(command.config.gate_base_path / f"{command.scope}.git"), place.name)
        git(place, "checkout", "-q", command.commit)
        return subprocess.run(["sh", "-c", command.command], cwd=place, check=False).returncode

    engine.run_command = run_command  # type: ignore[attr-defined]
    return ran


def die_at(engine: PlainEngine, step: int, verb: Callable[[Races, Any], object], what: object) -> None:
    """Do something in this process, which ends as by SIGKILL at a step of the engine."""
    verb(Races(other_tasks(engine, step)), what)


def members(races: Races, race: Race) -> list[Task]:
    return [races._store.task(one.task) for one in races.attempts(race)]


def mirror(race: Race) -> Path:
    config = SandboxConfig.load()
    return GitGate.open(race.scope, base=config.gate_base_path, config=config).path


def bring(race: Race, task: Task, files: Mapping[str, str]) -> str:
    """Push a commit on top of the race's base to the task's branch, as its container does; return it."""
    work = mirror(race).parent / f"work-{task.id}"
    git(work.parent, "clone", "-q", str(mirror(race)), work.name)
    git(work, "checkout", "-q", "-B", task.branch, race.base)
    for name, text in files.items():
        (work / name).write_text(text)
    git(work, "add", ".")
    git(work, "commit", "-q", "-m", f"By {task.name}")
    git(work, "push", "-q", "origin", f"HEAD:refs/heads/{task.branch}")
    return git(work, "rev-parse", "HEAD")


def run_all(tasks: Tasks, engine: PlainEngine, race: Race, codes: Mapping[int, int] | None = None) -> None:
    """Run every attempt to its end, with an exit code by its number."""
    for one in Races(tasks).attempts(race):
        task = tasks.start(one.task)
        code = (codes or {}).get(one.number, 0)
        engine.end(task.container, code)
        tasks.record_exit(tasks.store.task(task.id), code)


def by_number(races: Races, race: Race) -> dict[int, Standing]:
    return {one.number: one for one in races.board(race).standings}


def test_all_attempts_begin_alike_wherever_the_upstream_is(
    races: Races, tasks: Tasks, upstream: Path, engine: PlainEngine
) -> None:
    taking_part = [Contender("demo"), Contender("claude", "opus"), Contender("demo")]
    begun = git(upstream, "rev-parse", "HEAD")
    race = races.run(
        "web",
        "Fix it",
        taking_part,
        name="try",
        preset="long",
        overrides={"run.memory": "1g"},
        more={"budget": ["cost=1"]},
    )
    git(upstream, "commit", "-q", "--allow-empty", "-m", "Later")
    requests = [tasks.store.request(one.id) for one in members(races, race)]
    shared = [{key: one[key] for key in one.keys() - {"agent", "model", "task_id", "overrides"}} for one in requests]
    assert shared[0] == shared[1] == shared[2]
    wanted = {"start": begun, "timeout": 77, "memory": "1g", "budget": ["cost=1"], "prompt": "Fix it"}
    assert {key: requests[0][key] for key in wanted} == wanted
    assert [(one.name, one.agent, one.model, one.word, one.race) for one in members(races, race)] == [
        ("try-1", "demo", "", "queued", race.id),
        ("try-2", "claude", "opus", "queued", race.id),
        ("try-3", "demo", "", "queued", race.id),
    ]
    assert (race.base, race.name, race.prompt) == (begun, "try", "Fix it")
    tasks.start(members(races, race)[0].id)
    assert engine.asked[0][1] == "Fix it"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"prompt": " "}, "needs a prompt"),
        ({"name": "No"}, "invalid task name"),
        ({"name": "n" * 59}, "invalid task name"),
        ({"name": "taken"}, "has a race named taken"),
        ({"name": "single"}, "has a task named single-2"),
        ({"taking_part": [Contender("demo"), Contender("nobody")]}, "no agent 'nobody'"),
    ],
)
def test_what_cannot_be_a_race_leaves_nothing(races: Races, tasks: Tasks, change: dict[str, Any], problem: str) -> None:
    races.run("web", "x", DEMO, name="taken")
    tasks.create("web", "x", name="single-2", start=False)
    before = {one.id for one in tasks.store.tasks()}
    wanted = {"prompt": "x", "name": None, "taking_part": DEMO, **change}
    with pytest.raises(UsageError, match=problem):
        races.run("web", wanted["prompt"], wanted["taking_part"], name=wanted["name"])
    assert {one.id for one in tasks.store.tasks()} == before
    assert [one.name for one in races.all()] == ["taken"]


def test_a_repository_without_a_commit_has_nothing_to_begin_from(races: Races, upstream: Path) -> None:
    subprocess.run(["rm", "-rf", str(upstream / ".git")], check=True)
    git(upstream, "init", "-q")
    with pytest.raises(TaskError, match="no commit to begin from"):
        races.run("web", "x", DEMO)


def test_attempts_are_compared_by_what_they_brought(races: Races, tasks: Tasks, engine: PlainEngine) -> None:
    race = races.run("web", "x", contenders(["demo"], 4), name="r")
    one, two, _, four = members(races, race)
    bring(race, one, {"README.md": "one\n2\nthree\n", "new": "a\n"})
    bring(race, two, {"README.md": "ONE\ntwo\n", ".envrc": "export X=1\n"})
    run_all(tasks, engine, race, {3: 7})
    tasks.delete(tasks.store.task(four.id))
    board = races.board(race)
    found = {standing.number: standing for standing in board.standings}
    assert [standing.number for standing in board.standings] == [1, 2, 3, 4]
    assert (found[1].size, found[1].commits, found[1].findings, found[1].cost) == ((3, 1, 2, 0), 1, 0, 0.25)
    assert (found[2].size, found[2].findings) == ((2, 1, 2, 0), 1), "a file that runs by itself is found"
    assert (found[3].word, found[3].tip, found[3].size, found[3].over) == ("failed", "", None, True)
    assert found[4].fate == "deleted"
    assert board.shared == {"README.md": (1, 2)}
    assert {column: board.least[column] for column in ("size", "findings")} == {"size": (2,), "findings": (1,)}
    first, second, text = races.difference(race, "r-1", two.id[:4])
    assert (first.number, second.number) == (1, 2)
    assert "-three" in text
    assert "+export X=1" in text
    with pytest.raises(TaskError, match="attempt 3 has nothing"):
        races.difference(race, "1", "3")
    with pytest.raises(UnknownRace, match="no attempt 5"):
        races.difference(race, "1", "5")


def test_an_attempt_that_cannot_be_started_ends_no_other_and_says_why(
    races: Races, tasks: Tasks, engine: PlainEngine
) -> None:
    race = races.run("web", "x", DEMO)

    def refuse(step: str) -> None:
        if step == "start":
            engine.before = lambda step: None
            raise TaskError("there is no key for it")

    engine.before = refuse
    with pytest.raises(TaskError):
        tasks.start(members(races, race)[0].id)
    assert [one.word for one in members(races, race)] == ["failed", "queued", "queued"]
    assert by_number(races, race)[1].reason == "could not be started: there is no key for it"


def test_starting_the_kept_one_does_not_forget_how_to_take_it_back(
    races: Races, tasks: Tasks, judged: Race, engine: PlainEngine
) -> None:
    """The keeping was killed before its end; the person goes on with the attempt meanwhile."""
    one, _, three = members(races, judged)
    engine.end(three.container)
    tasks.record_exit(three, 0)
    assert in_child(partial(die_at, engine, 1, Races.keep, one)) == 9
    tasks.restart(tasks.store.task(one.id))
    assert tasks.operations.log()[0].state == "open"
    assert tasks.operations.finish() == []
    assert [row.fate for _, row in sorted(by_number(races, judged).items())] == ["here", "archived", "archived"]


def test_a_gate_that_cannot_be_read_is_not_an_attempt_without_work(
    races: Races, tasks: Tasks, engine: PlainEngine
) -> None:
    race = races.run("web", "x", DEMO)
    bring(race, members(races, race)[0], {"new": "a\n"})
    run_all(tasks, engine, race)
    (mirror(race) / "HEAD").write_text("damaged")
    assert all(one.problem for one in races.board(race).standings)


def test_who_is_found(races: Races, tasks: Tasks) -> None:
    with pytest.raises(UnknownRace, match="no race @latest"):
        races.find("@latest")
    first, second = races.run("web", "x", DEMO, name="first"), races.run("web", "y", DEMO)
    assert [races.find(text).id for text in ("first", first.id[:6], "@latest", second.name)] == [
        *(first.id, first.id),
        *(second.id, second.id),
    ]
    single, _ = tasks.create("web", "x", start=False)
    chosen, _ = tasks.choose([f"race:{first.id[:6]}"])
    assert {one.name for one in chosen} == {"first-1", "first-2", "first-3"}
    assert races.of_task(chosen[0]) == first
    for wrong in ("third", "../x", ""):
        with pytest.raises(UnknownRace):
            races.find(wrong)
    with pytest.raises(UnknownRace):
        races.of_task(single)


def test_a_race_is_stopped_whatever_its_attempts_do(races: Races, tasks: Tasks, engine: PlainEngine) -> None:
    race = races.run("web", "x", contenders(["demo"], 4))
    one, two, three, _ = members(races, race)
    for task in (one, two, three):
        tasks.start(task.id)
    engine.end(three.container, 0)
    tasks.record_exit(tasks.store.task(three.id), 0)

    def refuse(step: str) -> None:
        if step == "stop":
            engine.before = lambda step: None
            raise TaskError("no")

    engine.before = refuse
    outcomes = races.stop(race)
    assert [error and error.message for error in outcomes.values()] == ["no", None, None]
    assert [one.word for one in members(races, race)] == ["working", "stopped", "done", "stopped"]
    assert tasks.store.queue() == []


def test_a_deleted_race_comes_back_whole_and_goes_when_its_time_is_over(
    races: Races, tasks: Tasks, engine: PlainEngine
) -> None:
    race = races.run("web", "x", DEMO)
    one, two, three = members(races, race)
    run_all(tasks, engine, race)
    tasks.delete(tasks.store.task(three.id))
    works = tasks.directory(one) / "workspace/work"
    number = races.delete(race)
    assert (races.all(), tasks.store.tasks(), works.exists()) == ([], [], False)
    tasks.operations.undo(number)
    assert races.all() == [race]
    assert works.read_bytes() == b"\0work"
    assert {task.id for task in tasks.store.tasks()} == {one.id, two.id}, "what was deleted by hand before stays so"
    again = races.delete(race)
    tasks.restore(tasks.find(one.id, trashed=True))
    assert [task.id for task in tasks.store.tasks()] == [one.id], "one of them is brought back by itself"
    tasks.delete(tasks.store.task(one.id))
    due = next(row.expires for row in tasks.operations.log() if row.id == again)
    tasks.operations.expire((due or 0.0) - 60)
    tasks.operations.expire(due or 0.0)
    assert {row[0] for row in tasks.store.rows("SELECT id FROM tasks")} == {one.id}, "its own deletion still holds"
    assert tasks.store.rows("SELECT id FROM races") == []


@pytest.mark.parametrize("alone", [True, False])
def test_a_deleted_race_comes_back_with_the_project_that_was_deleted_after_it(
    races: Races, tasks: Tasks, engine: PlainEngine, monkeypatch: pytest.MonkeyPatch, *, alone: bool
) -> None:
    race = races.run("web", "x", DEMO)
    run_all(tasks, engine, race)
    number = races.delete(race)
    Projects().delete(tasks, "web")
    said: list[str] = []
    monkeypatch.setattr(tasks, "say", said.append)
    if alone:
        tasks.restore(members(races, race)[0])
    else:
        tasks.operations.undo(number)
    assert [line for line in said if "project" in line] == ["note: project web was deleted too, and is back as well"]
    assert tasks.restart(tasks.store.tasks()[0]).word == "working"


def test_a_deletion_that_is_killed_at_any_step_is_finished(races: Races, tasks: Tasks, engine: PlainEngine) -> None:
    race = races.run("web", "x", contenders(["demo"], 2))
    run_all(tasks, engine, race)
    steps = 0
    while in_child(partial(die_at, engine, steps, Races.delete, race)) == 9:
        steps += 1
        assert tasks.operations.finish() == []
        assert (races.all(), tasks.store.tasks()) == ([], [])
        tasks.operations.undo()
        assert (len(races.all()), len(tasks.store.tasks())) == (1, 2)
    assert steps > 2


def test_a_check_runs_once_for_each_run_of_an_attempt(
    races: Races, tasks: Tasks, engine: PlainEngine, checked: list[str]
) -> None:
    race = races.run("web", "x", contenders(["demo"], 2), command="test -e new")
    one, two = members(races, race)
    assert {standing.check.word for standing in races.board(race).standings} == {"wanted"}
    assert due_checks(tasks.store) == []
    bring(race, one, {"new": "a\n"})
    run_all(tasks, engine, race, {2: 1})
    assert due_checks(tasks.store) == [one.id, two.id]
    assert run_check(tasks, one.id)
    assert not run_check(tasks, one.id)
    assert run_check(tasks, two.id)
    assert due_checks(tasks.store) == []
    assert checked == ["test -e new"], "there is nothing to check of the second"
    found = by_number(races, race)
    assert (found[1].check.word, found[1].check.exit_code, found[2].check.word) == ("passed", 0, "nothing")
    tasks.restart(tasks.store.task(one.id))
    engine.end(one.container)
    tasks.record_exit(tasks.store.task(one.id), 0)
    assert due_checks(tasks.store) == [one.id], "another run, another check"


def test_a_check_that_is_killed_is_run_again_by_one(
    races: Races, tasks: Tasks, engine: PlainEngine, checked: list[str]
) -> None:
    race = races.run("web", "x", contenders(["demo"], 2), command="true")
    one, _ = members(races, race)
    bring(race, one, {"new": "a\n"})
    run_all(tasks, engine, race)

    def take() -> None:
        with Store() as store, store.write() as writer:
            take_check(writer, one.id)

    assert in_child(take) == 0
    with tasks.store.write() as writer:
        assert take_check(writer, one.id) is not None, "whoever took it is dead"
    assert by_number(races, race)[1].check.word == "running"
    assert not run_check(tasks, one.id)


@pytest.fixture
def judged(races: Races, tasks: Tasks, engine: PlainEngine) -> Race:
    """Give a race of three: two have brought something, of which the first is reviewed, and the last one runs."""
    race = races.run("web", "x", DEMO, name="r")
    one, two, three = members(races, race)
    bring(race, one, {"new": "a\n"})
    bring(race, two, {"new": "b\n"})
    run_all(tasks, engine, race)
    tasks.restart(tasks.store.task(three.id))
    reviews = Reviews(tasks)
    gate = reviews.open(race.scope)
    gate.record(one.branch, gate.review(one.branch))
    return race


def picture(races: Races, race: Race, upstream: Path) -> list[Any]:
    """Return what keeping changes: the upstream, the record of the race, and where each attempt is."""
    (now,) = [one for one in races.all() if one.id == race.id]
    tasks = [(task.desired, task.archived is not None, task.word) for task in members(races, race)]
    return [git(upstream, "for-each-ref"), now, *tasks]


def test_one_is_kept_and_all_of_that_is_taken_back(
    races: Races, tasks: Tasks, judged: Race, upstream: Path, engine: PlainEngine
) -> None:
    one, two, three = members(races, judged)
    engine.end(three.container)
    tasks.record_exit(three, 0)
    before = picture(races, judged, upstream)
    with pytest.raises(GateError, match="not reviewed"):
        races.keep(two)
    assert picture(races, judged, upstream) == before
    tip = by_number(races, judged)[1].tip
    kept = races.keep(one)
    assert git(upstream, "rev-parse", one.branch) == tip
    found = by_number(races, judged)
    assert [(found[n].fate, found[n].kept) for n in (1, 2, 3)] == [
        ("here", True),
        ("archived", False),
        ("archived", False),
    ]
    assert (found[1].tip, found[1].size) == (tip, (1, 0, 1, 0)), "what it has brought is still known"
    assert found[1].word == "done", "nobody has to review it any more"
    with pytest.raises(TaskError, match="is kept already"):
        races.keep(two)
    tasks.operations.undo(kept.operation)
    after = picture(races, judged, upstream)
    assert after[2:] == [("running", False, "review"), ("stopped", False, "review"), ("stopped", False, "done")]
    assert after[:2] == before[:2]


def test_one_that_runs_is_stopped_when_another_is_kept(races: Races, tasks: Tasks, judged: Race) -> None:
    one, _, three = members(races, judged)
    assert three.process == "up"
    races.keep(one)
    gone = tasks.store.task(three.id)
    assert (gone.desired, gone.stopped_by) == ("archived", "the choice of another attempt")
    tasks.restore(gone)
    assert tasks.store.task(three.id).archived is None, "it comes back by itself too"


def test_keeping_that_is_killed_at_any_step_is_finished(
    races: Races, tasks: Tasks, judged: Race, upstream: Path, engine: PlainEngine
) -> None:
    one, _, three = members(races, judged)
    engine.end(three.container)
    tasks.record_exit(three, 0)
    before = git(upstream, "for-each-ref")
    steps = 0
    while in_child(partial(die_at, engine, steps, Races.keep, one)) == 9:
        steps += 1
        assert tasks.operations.finish() == []
        assert [row.fate for row in races.board(judged).standings] == ["here", "archived", "archived"]
        assert git(upstream, "for-each-ref") != before
        tasks.operations.undo()
        assert git(upstream, "for-each-ref") == before
        gate = Reviews(tasks).open(judged.scope)
        gate.record(one.branch, gate.review(one.branch))
    assert steps >= 2


def test_what_others_have_gone_on_from_is_not_taken_back(
    races: Races, tasks: Tasks, judged: Race, upstream: Path
) -> None:
    one, two, _ = members(races, judged)
    kept = races.keep(one, to="chosen")
    git(upstream, "checkout", "-q", "chosen")
    git(upstream, "commit", "-q", "--allow-empty", "-m", "On top")
    with pytest.raises(GateError, match="has changed since"):
        tasks.operations.undo(kept.operation)
    assert tasks.store.task(two.id).archived is not None
    assert git(upstream, "log", "-1", "--format=%s", "chosen") == "On top"


def test_a_promotion_that_nobody_could_record_is_found(
    races: Races, tasks: Tasks, judged: Race, upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upstream has it, and the process was killed before it could write that down."""
    one, *_ = members(races, judged)
    before = git(upstream, "for-each-ref")

    def promote_and_die() -> None:
        monkeypatch.setattr("terok_sandbox.gate.promotion.change_refs", lambda *_: os._exit(9))
        with Tasks() as other:
            other._engines["local"] = tasks._engines["local"]
            Races(other).keep(one)

    assert in_child(promote_and_die) == 9
    assert git(upstream, "for-each-ref") != before
    assert tasks.operations.finish() == []
    assert by_number(races, judged)[1].kept
    tasks.operations.undo()
    assert git(upstream, "for-each-ref") == before
