"""Facts as values, and their sum."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.activity.client import read_fact
from terok_sandbox.activity.feed import Feed
from terok_sandbox.activity.state import MAX_OVER, MAX_STANDING, Activity, Part
from terok_sandbox.values import facts
from terok_sandbox.values.facts import (
    KINDS,
    BudgetFact,
    Fact,
    Inside,
    Life,
    ModelCall,
    Provider,
    Push,
    Question,
    UsageFact,
    Worker,
    fact_from_json,
    fact_to_json,
)

TIMES = st.floats(0, 4e9)
HOSTILE = st.text(alphabet=st.characters(codec="utf-8"), max_size=20)


def values(annotation: str) -> st.SearchStrategy[Any]:
    if annotation.endswith(" | None"):
        return st.none() | values(annotation.removesuffix(" | None"))
    plain = {"float": TIMES, "int": st.integers(0, 1 << 40), "bool": st.booleans(), "str": st.sampled_from("abc"),
             "Inside": HOSTILE.map(Inside)}  # fmt: skip
    return plain[annotation] if annotation in plain else st.sampled_from(get_args(eval(annotation, vars(facts))))


def made(kind: type[Fact]) -> st.SearchStrategy[Fact]:
    return st.builds(kind, **{field.name: values(str(field.type)) for field in fields(kind)})


FACTS = st.one_of(*map(made, KINDS.values()))


@given(FACTS)
def test_a_fact_arrives_as_it_was_sent(fact: Fact) -> None:
    row = json.loads(json.dumps(fact_to_json(fact)))
    assert fact_from_json(row) == fact
    texts = {field.name for field in fields(fact) if field.type == "Inside"}
    assert set(row.get("inside", {})) == texts and not texts & set(row), "the container's words stand apart"
    assert fact_from_json({**row, "later": 1}) == fact and fact_from_json({**row, "kind": "later"}) is None


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | HOSTILE
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HOSTILE, inner, max_size=3))


@given(FACTS, st.data())
def test_no_line_is_taken_for_another_fact(fact: Fact, data: st.DataObject) -> None:
    row = {"seq": 1, **fact_to_json(fact)}
    row[data.draw(st.sampled_from(sorted(row)))] = data.draw(JSON)
    row.setdefault("inside", data.draw(JSON))
    try:
        _, read = read_fact(row)
    except ValueError:
        return
    assert read is None or fact_from_json(fact_to_json(read)) == read
    assert read is None or all(str(value).isprintable() for value in fact_to_json(read).values())


@given(st.lists(FACTS, max_size=MAX_OVER), st.randoms())
def test_the_order_of_arrival_does_not_matter(told: list[Fact], random: Any) -> None:
    numbered = list(enumerate(told, 1))
    part = Part("r")
    for number, fact in numbered:
        part = part.add(number, fact)
    shuffled = [*numbered, *numbered[:3]]
    random.shuffle(shuffled)
    other = Part("r")
    for number, fact in shuffled:
        other = other.add(number, fact)
    assert dict(other.entries) == dict(part.entries)
    assert {fact.key: fact for _, fact in part.facts} == {fact.key: fact for fact in told}, "the last word counts"


@given(st.lists(FACTS, max_size=300))
async def test_a_feed_keeps_what_its_reader_keeps(told: list[Fact]) -> None:
    feed, part = Feed(), Part()
    for number, fact in enumerate(told, 1):
        feed.tell(fact)
        part = part.add(number, fact)
    reply = await feed.operations["activity"](None, {})  # type: ignore[arg-type]
    assert [read_fact(row) for row in reply["facts"]] == part.facts


def call(number: int, state: Any) -> ModelCall:
    return ModelCall(at=float(number), id=str(number), state=state, provider="p", began=0.0)


async def test_old_facts_go_first_those_that_are_over_before_those_that_stand() -> None:
    part = Part().add(1, Life(at=0, state="running")).add(2, call(2, "begun"))
    for number in range(3, 2000):
        part = part.add(number, call(number, "ended"))
    kept = [fact.at for _, fact in part.facts]
    assert kept == [0, 2, *range(2000 - MAX_OVER, 2000)]
    for number in range(2000, 4000):
        part = part.add(number, call(number, "begun"))
    feed = Feed()
    for number in range(3, 4000):
        feed.tell(call(number, "ended" if number < 2000 else "begun"))
    kept = [row["at"] for row in (await feed.operations["activity"](None, {}))["facts"]]  # type: ignore[arg-type]
    assert kept == [*range(2000 - MAX_OVER, 2000), *range(4000 - MAX_STANDING, 4000)]
    assert len(part.entries) == 1 + MAX_OVER + MAX_STANDING
    activity = Activity("c", {"broker": part})
    assert len(activity.calls) == MAX_STANDING and activity.calls[-1].at == 3999
    assert activity.life == Life(at=0, state="running")


STANDS: list[tuple[str, list[Fact], object]] = [
    ("calls", [call(1, "begun"), call(2, "begun"), call(2, "ended")], ("1",)),
    ("last_call", [call(1, "begun"), call(3, "ended"), call(2, "refused")], "3"),
    ("providers", [Provider(at=1, provider="p", state="auth", status=401),
                   Provider(at=2, provider="p", state="works")], "works"),
    ("questions", [Question(at=1, id="a", state="open", since=1, target=Inside("x")),
                   Question(at=2, id="b", state="open", since=2, target=Inside("y")),
                   Question(at=3, id="a", state="allow", since=1, target=Inside("x"))], ("b",)),
    ("budgets", [BudgetFact(at=1, whose="task", limit="tokens", used=2, most=2, state="holds", held=3),
                 BudgetFact(at=1, whose="project", limit="tokens", used=2, most=9, state="room")], ("task",)),
    ("held", [BudgetFact(at=1, whose="task", limit="tokens", used=2, most=2, state="holds", held=3),
              BudgetFact(at=2, whose="task", limit="cost_usd", used=2, most=2, state="holds", held=3)], 3),
    ("usage", [UsageFact(at=1, requests=1, tokens=1, bytes=1, cost_usd=1, cost_known=True),
               UsageFact(at=2, requests=2, tokens=2, bytes=2, cost_usd=2, cost_known=False)], 2),
    ("pushes", [Push(at=1, ref=Inside("refs/heads/a"), state="inspected", commit="1"),
                Push(at=2, ref=Inside("refs/heads/b"), state="refused", commit="2"),
                Push(at=3, ref=Inside("refs/heads/a"), state="landed", commit="1")], ("refused", "landed")),
    ("workers", [Worker(at=1, name="broker", state="up"), Worker(at=2, name="broker", state="down", restarts=1)],
     "down"),
    ("life", [Life(at=1, state="running"), Life(at=2, state="ended", exit_code=3)], 3),
]  # fmt: skip
SHOWN: dict[str, Any] = {
    "calls": lambda found: tuple(one.id for one in found), "last_call": lambda found: found.id,
    "providers": lambda found: found["p"].state, "questions": lambda found: tuple(one.id for one in found),
    "budgets": lambda found: tuple(one.whose for one in found), "held": int, "usage": lambda found: found.requests,
    "pushes": lambda found: tuple(one.state for one in found), "workers": lambda found: found["broker"].state,
    "life": lambda found: found.exit_code,
}  # fmt: skip


@pytest.mark.parametrize(("view", "told", "expected"), STANDS, ids=[row[0] for row in STANDS])
def test_what_stands(view: str, told: list[Fact], expected: object) -> None:
    part = Part()
    for number, fact in enumerate(told, 1):
        part = part.add(number, fact)
    assert SHOWN[view](getattr(Activity("c", {"a": part}), view)) == expected


def test_a_value_is_frozen_and_compares() -> None:
    fact = Life(at=1, state="running")
    assert Activity("c", {"a": Part().add(1, fact)}) == Activity("c", {"a": Part().add(1, replace(fact))})
    assert Activity("c").life is None and Activity("c").last_call is None and Activity("c").held == 0
