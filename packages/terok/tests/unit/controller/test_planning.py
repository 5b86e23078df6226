"""The controller's decisions, and what the sandbox's feed amounts to."""

from __future__ import annotations

import pytest
from terok.controller.observing import facts_of
from terok.controller.planning import COURTESY, WATCH, Act, Plan, View, plan
from terok.integrations.sandbox import Activity
from terok.model.admission import Limits, Waiting
from terok.model.claims import Claims
from terok.model.facts import Facts, Wanted
from terok.model.state import STOPPING, judge
from terok.model.task import Task
from terok_sandbox import BudgetFact, Fact, Inside, Life, ModelCall, Provider, Question
from terok_sandbox.activity.state import Part

NOW = 10_000.0
LIMITS = Limits(total=2, per_project=2)


def task(task_id: str = "a", **fields: object) -> Task:
    base = Task(task_id, "web", task_id, "demo", "headless", NOW - 900, started=NOW - 800, container=f"c-{task_id}")
    works = fields.get("word", "working") == "working"
    known = {"word": "working", "group": "working", "process": "up", "since": NOW - 100, "works": works}
    return base._replace(**{**known, **fields})


RUNS = task()
EXITED = task(process="exited", word="done", since=NOW - COURTESY)
OVER = EXITED._replace(ended=NOW - 5, exit_code=0)
QUEUED = task("q", process="gone", word="queued", started=None)
ROW = Waiting("q", "web", NOW - 50)


def view(*tasks: Task, **fields: object) -> View:
    return View(list(tasks), **{"queue": [], "limits": LIMITS, "disk_free": 1, "now": NOW, **fields})


@pytest.mark.parametrize(
    ("given", "acts"),
    [
        (view(), []),
        (view(RUNS), []),
        (view(EXITED), [Act("record", "a")]),
        (view(EXITED._replace(since=NOW - 1)), []),
        (view(EXITED._replace(since=NOW + 900)), [Act("record", "a")]),  # the clock was set back
        (view(RUNS, unwanted={"a": NOW + 900}), [Act("stop", "a")]),
        (view(EXITED._replace(desired="stopped")), [Act("record", "a")]),
        (view(EXITED._replace(process="gone", word="failed")), [Act("record", "a")]),
        (view(task(process="gone")), []),
        (view(EXITED, busy={"a"}), []),
        (view(EXITED, not_before={Act("record", "a"): NOW + 1}), []),
        (view(OVER), []),
        (view(OVER, written={"a"}), [Act("deliver", "a")]),
        (view(OVER._replace(desired="stopped"), written={"a"}), []),
        (view(OVER._replace(mode="interactive"), written={"a"}), []),
        (view(RUNS, written={"a"}), []),
        (view(EXITED, interrupted={"a"}), [Act("resume", "a")]),
        (view(task(process="gone"), interrupted={"a"}), [Act("resume", "a")]),
        (view(EXITED._replace(desired="stopped"), interrupted={"a"}), [Act("record", "a")]),
        (view(OVER, interrupted={"a"}), []),
        (view(RUNS, interrupted={"a"}), []),
        (view(task(process="gone")), []),
        (view(task(process="gone", desired="stopped")), [Act("record", "a")]),
        (view(EXITED, interrupted={"a"}, limits=Limits(9, 9, stopped=True)), [Act("record", "a")]),
        (view(OVER, written={"a"}, limits=Limits(9, 9, stopped=True)), []),
        (view(EXITED._replace(trashed=NOW)), []),
        (view(EXITED._replace(archived=NOW)), []),
        (view(task(process="gone"), left_alone={"a"}), [Act("recover", "a")]),
        (view(QUEUED, queue=[ROW]), [Act("start", "q")]),
        (view(QUEUED, queue=[ROW], busy={"q"}), []),
        (view(QUEUED, queue=[ROW], not_before={Act("start", "q"): NOW + 10}), []),
        (view(QUEUED, RUNS, task("b"), queue=[ROW]), []),
        (view(QUEUED, RUNS, task("b", word="waiting"), queue=[ROW]), [Act("start", "q")]),
        (view(QUEUED, RUNS, task("b", word="review", works=True), queue=[ROW]), []),
        (view(RUNS, unwanted={"a": NOW - STOPPING}), [Act("stop", "a")]),
        (view(RUNS, unwanted={"a": NOW - STOPPING}, busy={"a"}), []),
        (view(RUNS, unwanted={"a": NOW - 1}), []),
        (view(unwanted={"trashed": NOW - STOPPING}), [Act("stop", "trashed")]),
        (view(QUEUED, RUNS, EXITED._replace(id="r"), queue=[ROW], interrupted={"r"}), [Act("resume", "r")]),
        (view(QUEUED, queue=[ROW], limits=Limits(9, 9, stopped=True)), []),
        (view(OVER, checks=["a", "b", "c"]), [Act("check", "a"), Act("check", "b")]),
        (view(OVER, checks=["a", "b", "c"], busy={"a"}, checking=["a"]), [Act("check", "b")]),
        (view(OVER, checks=["c"], busy={"a", "b"}, checking=["a", "b"]), []),
        (view(OVER, checks=["a"], not_before={Act("check", "a"): NOW + 1}), []),
        (view(OVER, checks=["a"], limits=Limits(9, 9, stopped=True)), []),
    ],
)
def test_what_is_done(given: View, acts: list[Act]) -> None:
    assert plan(given).acts == acts


def test_two_queued_tasks_do_not_take_one_slot() -> None:
    """Also not when the first is being started by a child, and its row is still there."""
    rows = [ROW, Waiting("p", "web", NOW)]
    tasks = [RUNS, QUEUED, QUEUED._replace(id="p")]
    assert plan(view(*tasks, queue=rows)).acts == [Act("start", "q")]
    assert plan(view(*tasks, queue=rows, busy={"q"})).acts == []


def test_who_is_followed() -> None:
    made = plan(view(RUNS, OVER, EXITED, task("t", trashed=NOW), QUEUED))
    assert made.follow == {"a": RUNS}


@pytest.mark.parametrize(
    ("given", "deadline", "idle"),
    [
        (view(), None, True),
        (view(OVER), None, True),
        (view(RUNS), None, False),
        (view(RUNS, doubts={"a": NOW + 9}), NOW + 9, False),
        (view(EXITED._replace(since=NOW - 1)), NOW - 1 + COURTESY, False),
        (view(EXITED, not_before={Act("record", "a"): NOW + 60}), NOW + 60, False),
        (view(QUEUED, queue=[ROW._replace(not_before=NOW + 7)]), NOW + 7, False),
        (view(QUEUED, queue=[ROW], disk_free=None), NOW + 60, False),
        (view(QUEUED, queue=[ROW], not_before={Act("start", "q"): NOW + 10}), NOW + 10, False),
        (view(OVER, busy={"a"}), None, False),
        (view(RUNS, unwanted={"a": NOW - 1}), NOW - 1 + STOPPING, False),
        (view(leased=True), NOW + WATCH, False),
    ],
)
def test_when_to_look_again_and_when_to_end(given: View, deadline: float | None, idle: bool) -> None:
    made: Plan = plan(given)
    assert (made.deadline, made.idle) == (deadline, idle)


def activity(*facts: Fact) -> Activity:
    part = Part("run")
    for number, fact in enumerate((Life(at=NOW - 100, state="running"), *facts), 1):
        part = part.add(number, fact)
    return Activity("c", {"host": part})


def call(state: str = "ended", at: float = NOW - 20, **fields: object) -> ModelCall:
    return ModelCall(at=at, id="1", state=state, provider="acme", began=NOW - 30, **fields)


REFUSED = Provider(at=NOW - 20, provider="acme", state="auth", status=401)
LIMITED = Provider(at=NOW - 20, provider="acme", state="limit", status=429, reset_at=NOW + 60)
HELD = BudgetFact(at=NOW - 9, whose="task", limit="cost_usd", used=2.0, most=2.0, state="holds", held=1)
ASKED = Question(at=NOW - 9, id="c1", state="open", since=NOW - 30, target=Inside("files.example.org:443"))


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ((), "waiting"),
        ((call("begun"),), "working"),
        ((call(status=200),), "waiting"),
        ((call(status=401), REFUSED), "auth"),
        ((call(status=200), Provider(at=NOW - 1, provider="acme", state="works")), "waiting"),
        ((call(status=429), LIMITED), "limit"),
        ((call("begun"), LIMITED), "limit"),
        ((REFUSED,), "auth"),
        ((HELD,), "budget"),
        ((BudgetFact(at=NOW, whose="task", limit="cost_usd", used=1.0, most=2.0, state="room"),), "waiting"),
        ((ASKED,), "clearance"),
        ((Question(at=NOW, id="c1", state="allow", since=NOW - 30, target=Inside("x")),), "waiting"),
        ((Life(at=NOW, state="ended", exit_code=0),), "done"),
        ((Life(at=NOW, state="ended", exit_code=1),), "failed"),
        ((Life(at=NOW, state="missing"),), "failed"),
        ((Life(at=NOW, state="unknown"),), "unknown"),
        ((Life(at=NOW, state="unsupervised"),), "unknown"),
    ],
)
def test_what_the_feed_amounts_to(facts: tuple[Fact, ...], word: str) -> None:
    observed = {name: fact for name, fact in facts_of(activity(*facts), NOW).items() if fact is not None}
    base = Facts(NOW - 200, started=NOW - 150, wanted=Wanted(NOW - 200, "terok", "running"))
    known = Facts(base.created, started=base.started, wanted=base.wanted, **observed)
    assert judge(known, Claims(), NOW).word == word
