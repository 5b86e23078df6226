"""The table of states, row by row, with what ends each; and what holds for all facts and claims."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.model.claims import KINDS, Claim, Claims, claims_from_json, claims_to_json, with_claim
from terok.model.facts import (
    Calls,
    Clearance,
    Cpu,
    Ended,
    Facts,
    Launch,
    Process,
    Pushed,
    Queued,
    Silence,
    Spent,
    Wanted,
    facts_from_json,
    facts_to_json,
)
from terok.model.state import TaskState, judge
from terok.model.words import ATTENTION, GLYPHS, GROUPS, WORDS

NOW = 10_000.0
UP = Process(NOW - 5, "podman", "up", since=NOW - 900)
EXITED = Process(NOW - 5, "podman", "exited", 0)
GONE = Process(NOW - 5, "podman", "gone")
RUNS = Facts(NOW - 1000, started=NOW - 901, wanted=Wanted(NOW - 1000, "terok", "running"), process=UP)
HEADLESS = replace(RUNS, headless=True)
FAILED = replace(RUNS, process=None, ended=Ended(NOW - 5, "terok", 1))


def calls(**fields: object) -> Calls:
    return Calls(NOW - 50, "broker", **{"begun_at": NOW - 60, "ended_at": NOW - 50, "provider": "acme", **fields})


QUESTION = with_claim(Claims(), Claim(NOW - 40, "question", "q1", "migrate?", ("yes", "no")))
HOOKS = with_claim(Claims(), Claim(NOW - 45, "phase", "", "testing"))
TURN_ENDED = with_claim(HOOKS, Claim(NOW - 20, "turn_ended"))
LIMITED = calls(status=429, reset_at=NOW + 60)
REFUSED = calls(status=401)
ASKED = Clearance(NOW - 3, "gateway", NOW - 30, ("c1",), ("files.example.org:443",))
SPENT = Spent(NOW - 3, "broker", "usd", 2.0, 2.0, 1)
PUSHED = Pushed(NOW - 3, "gate", "terok/a3", "abc", 2)
NONE = Claims()
PERMITTED = with_claim(Claims(), Claim(NOW - 40, "permission", "ls", "ls"))
BEGAN = with_claim(Claims(), Claim(NOW - 70, "turn_began"))
LEFT = replace(RUNS, calls=calls(status=0, left=True, ended_at=NOW - 3))


def cases() -> list[object]:
    """Facts, claims, the word they give, and changes that end it with the word that follows."""
    silence = Silence(NOW - 1, "podman", "no answer")
    queued = Queued(NOW - 3, "queue", "slot")
    rows: dict[str, tuple[Facts, Claims, str]] = {
        "a question": (RUNS, QUESTION, "question"),
        "a question answered": (RUNS, with_claim(QUESTION, Claim(NOW - 1, "answered", "q1")), "working"),
        "another question answered": (RUNS, with_claim(QUESTION, Claim(NOW - 1, "answered", "q2")), "question"),
        "a question, model traffic resumes": (
            replace(RUNS, calls=calls(open=1, begun_at=NOW - 2)),
            QUESTION,
            "working",
        ),
        "a permission, then nothing is asked": (RUNS, with_claim(PERMITTED, Claim(NOW - 1, "idle")), "waiting"),
        "a permission, then another prompt": (RUNS, with_claim(PERMITTED, Claim(NOW - 1, "turn_began")), "working"),
        "a question of an ended run": (replace(RUNS, process=EXITED), QUESTION, "done"),
        "a question of an earlier run": (replace(RUNS, started=NOW - 30), QUESTION, "waiting"),
        "a request": (replace(RUNS, clearance=ASKED), NONE, "clearance"),
        "a verdict": (replace(RUNS, clearance=replace(ASKED, ids=())), NONE, "waiting"),
        "a budget": (replace(RUNS, spent=SPENT), NONE, "budget"),
        "a budget raised": (replace(RUNS, spent=replace(SPENT, limit=4.0, held=0)), NONE, "waiting"),
        "a budget, stopped": (replace(FAILED, spent=SPENT, ended=Ended(NOW, "terok", 137, "user")), NONE, "stopped"),
        "a refused credential": (replace(RUNS, calls=REFUSED), NONE, "auth"),
        "a run that failed by it": (replace(FAILED, calls=REFUSED), NONE, "auth"),
        "a credential works": (replace(RUNS, calls=calls(status=200)), NONE, "waiting"),
        "a limit": (replace(RUNS, calls=LIMITED), NONE, "limit"),
        "a limit while a call is tried again": (replace(RUNS, calls=replace(LIMITED, open=1)), NONE, "limit"),
        "a limit, reset": (replace(RUNS, calls=replace(LIMITED, reset_at=NOW - 1)), NONE, "waiting"),
        "a limit, failed, reset": (replace(FAILED, calls=replace(LIMITED, reset_at=NOW - 1)), NONE, "failed"),
        "commits": (replace(RUNS, pushed=PUSHED, ended=None, process=EXITED), NONE, "review"),
        "commits promoted": (replace(RUNS, pushed=replace(PUSHED, commits=0), process=EXITED), NONE, "done"),
        "a call": (replace(RUNS, calls=calls(open=1)), NONE, "working"),
        "a call without an end": (
            replace(RUNS, started=NOW - 3000, calls=calls(open=1, begun_at=NOW - 1800)),
            NONE,
            "waiting",
        ),
        "a credential refused, then stopped": (
            replace(FAILED, calls=REFUSED, ended=Ended(NOW, "terok", 1, "user")),
            NONE,
            "stopped",
        ),
        "a credential refused, but done": (replace(FAILED, calls=REFUSED, ended=Ended(NOW, "terok", 0)), NONE, "done"),
        "the processor": (replace(RUNS, cpu=Cpu(NOW - 20, "cgroup")), NONE, "working"),
        "the processor, long ago": (replace(RUNS, cpu=Cpu(NOW - 31, "cgroup")), NONE, "waiting"),
        "a phase": (RUNS, with_claim(NONE, Claim(NOW - 29, "phase", "", "testing")), "working"),
        "a silent tool": (RUNS, with_claim(NONE, Claim(NOW - 400, "phase", "", "testing")), "working"),
        "a tool that hangs": (RUNS, with_claim(NONE, Claim(NOW - 900, "phase", "", "testing")), "unknown"),
        "a silent headless run": (HEADLESS, NONE, "working"),
        "a launch": (replace(RUNS, process=None, launch=Launch(NOW - 9, "terok", "builds")), NONE, "working"),
        "a turn ended": (RUNS, TURN_ENDED, "waiting"),
        "a prompt": (RUNS, with_claim(TURN_ENDED, Claim(NOW - 1, "phase", "", "planning")), "working"),
        "a turn that began": (RUNS, with_claim(TURN_ENDED, Claim(NOW - 1, "turn_began")), "working"),
        "a turn broken off in a call": (LEFT, BEGAN, "waiting"),
        "a turn that let go of a call just now": (
            replace(LEFT, calls=calls(status=0, left=True, ended_at=NOW - 2)),
            BEGAN,
            "working",
        ),
        "a call let go and made again": (
            replace(LEFT, calls=calls(open=1, left=True, begun_at=NOW - 1, ended_at=NOW - 3)),
            BEGAN,
            "working",
        ),
        "a call let go, and at work since": (LEFT, with_claim(BEGAN, Claim(NOW - 1, "answered", "ls")), "working"),
        "a tool told of after its turn": (RUNS, with_claim(TURN_ENDED, Claim(NOW - 1, "answered", "ls")), "waiting"),
        "no hooks, between calls": (replace(RUNS, calls=calls(ended_at=NOW - 9, status=200)), NONE, "working"),
        "no hooks, quiet": (replace(RUNS, calls=calls(ended_at=NOW - 10, status=200)), NONE, "waiting"),
        "a call for a title behind the turn": (
            replace(RUNS, calls=calls(begun_at=NOW - 15, ended_at=NOW - 12)),
            TURN_ENDED,
            "waiting",
        ),
        "a queue row": (replace(RUNS, started=None, process=None, queued=queued), NONE, "queued"),
        "admitted": (replace(RUNS, process=None, queued=None), NONE, "unknown"),
        "queued again": (replace(FAILED, queued=queued), NONE, "queued"),
        "exit 0": (replace(RUNS, process=None, ended=Ended(NOW - 5, "terok", 0)), NONE, "done"),
        "exit 1": (FAILED, NONE, "failed"),
        "stopped": (replace(FAILED, ended=Ended(NOW - 5, "terok", 137, "user")), NONE, "stopped"),
        "an exit nobody recorded": (replace(RUNS, process=replace(EXITED, exit_code=7)), NONE, "failed"),
        "set back clock": (replace(RUNS, headless=True, started=NOW + 900), NONE, "working"),
        "ended on a set back clock": (
            replace(RUNS, started=NOW + 900, process=replace(EXITED, exit_code=7)),
            NONE,
            "failed",
        ),
        "recorded, and removed by hand": (replace(FAILED, process=GONE), NONE, "failed"),
        "removed by hand": (replace(RUNS, process=GONE), NONE, "failed"),
        "removed by hand, recorded": (
            replace(RUNS, process=GONE, ended=Ended(NOW - 5, "terok", None)),
            NONE,
            "failed",
        ),
        "removed after it was to stop": (
            replace(RUNS, process=GONE, wanted=Wanted(NOW - 9, "terok", "stopped")),
            NONE,
            "stopped",
        ),
        "not there yet": (replace(RUNS, process=GONE, launch=Launch(NOW - 9, "terok", "builds")), NONE, "unknown"),
        "started by hand": (replace(FAILED, process=replace(UP, at=NOW - 1)), NONE, "unknown"),
        "no answer": (replace(RUNS, silence=silence), NONE, "unknown"),
        "no answer about a call": (replace(RUNS, silence=silence, calls=calls(open=1)), NONE, "working"),
        "no answer, end recorded": (replace(FAILED, silence=silence), NONE, "failed"),
        "an answer again": (replace(RUNS, silence=replace(silence, at=NOW - 9)), NONE, "waiting"),
        "an old answer": (replace(RUNS, process=replace(UP, at=NOW - 300)), NONE, "unknown"),
        "runs though it should not": (replace(RUNS, wanted=Wanted(NOW - 99, "terok", "stopped")), NONE, "unknown"),
        "nothing": (Facts(NOW), NONE, "unknown"),
    }
    return [pytest.param(*row, id=name) for name, row in rows.items()]


@pytest.mark.parametrize(("facts", "claims", "word"), cases())
def test_the_table(facts: Facts, claims: Claims, word: str) -> None:
    state = judge(facts, claims, NOW)
    assert (state.word, state.group, state.glyph) == (word, GROUPS[word], GLYPHS[word]), state.evidence


@pytest.mark.parametrize(("facts", "claims", "word"), cases())
def test_a_state_holds_until_the_time_to_doubt_and_no_longer(facts: Facts, claims: Claims, word: str) -> None:
    doubt_at = judge(facts, claims, NOW).doubt_at
    if doubt_at is None:
        assert judge(facts, claims, NOW + 1e7).word == word
    else:
        assert judge(facts, claims, doubt_at - 0.001).word == word
        assert judge(facts, claims, doubt_at).word != word


def test_every_word_has_a_row() -> None:
    assert {param.values[2] for param in cases()} == set(WORDS)


def test_the_first_word_counts_and_the_others_are_told() -> None:
    everything = replace(RUNS, clearance=ASKED, spent=SPENT, calls=replace(REFUSED, begun_at=NOW - 60), pushed=PUSHED)
    state = judge(everything, QUESTION, NOW)
    assert (state.word, state.also) == ("question", ("clearance", "budget", "auth", "review"))
    assert state.evidence[0].text == "migrate? (yes, no)"
    assert state.since == NOW - 40


def test_work_is_told_beside_the_word_that_hides_it() -> None:
    """A task with commits to review that goes on working has a slot."""
    assert judge(replace(RUNS, pushed=PUSHED, calls=calls(open=1)), NONE, NOW).works
    assert not judge(replace(RUNS, pushed=PUSHED), TURN_ENDED, NOW).works
    assert not judge(replace(RUNS, process=EXITED, calls=calls(open=1)), NONE, NOW).works


def test_a_watched_fact_does_not_age() -> None:
    old = replace(RUNS, started=NOW - 6000, process=replace(UP, at=NOW - 5000))
    assert judge(old, TURN_ENDED, NOW, watched=True).word == "waiting"
    assert judge(old, TURN_ENDED, NOW).word == "unknown"


def test_unread_until_somebody_looks() -> None:
    assert judge(FAILED, NONE, NOW).unread
    assert not judge(replace(FAILED, seen=NOW), NONE, NOW).unread
    assert not judge(replace(RUNS, calls=calls(open=1)), NONE, NOW).unread


@pytest.mark.parametrize(
    ("facts", "axis"),
    [
        (RUNS, "up"),
        (replace(RUNS, process=EXITED), "exited"),
        (replace(RUNS, process=GONE), "gone"),
        (FAILED, "exited"),
        (Facts(NOW), "gone"),
    ],
)
def test_the_process_is_an_axis_of_its_own(facts: Facts, axis: str) -> None:
    assert judge(facts, NONE, NOW).process == axis


TIMES = st.floats(NOW - 3000, NOW + 10) | st.integers(-40, 5).map(lambda n: NOW + n)
SOURCE = st.just("x")
COUNTS = st.integers(0, 2)
FACTS = st.builds(
    Facts,
    st.just(NOW - 3000),
    st.booleans(),
    st.none() | TIMES,
    TIMES,
    st.none() | st.builds(Wanted, TIMES, SOURCE, st.sampled_from(["running", "stopped", "archived", "trashed"])),
    st.none() | st.builds(Process, TIMES, SOURCE, st.sampled_from(["up", "exited", "gone"]), st.none() | COUNTS),
    st.none() | st.builds(Silence, TIMES, SOURCE, st.text(max_size=3)),
    st.none() | st.builds(Launch, TIMES, SOURCE, st.text(max_size=3)),
    st.none()
    | st.builds(
        Calls,
        TIMES,
        SOURCE,
        COUNTS,
        TIMES,
        TIMES,
        st.sampled_from([0, 200, 401, 429]),
        SOURCE,
        st.none() | TIMES,
        st.booleans(),
    ),
    st.none() | st.builds(Cpu, TIMES, SOURCE),
    st.none() | st.builds(Clearance, TIMES, SOURCE, TIMES, st.lists(SOURCE, max_size=2).map(tuple)),
    st.none() | st.builds(Spent, TIMES, SOURCE, SOURCE, st.floats(0, 3), st.floats(0, 3), COUNTS),
    st.none() | st.builds(Pushed, TIMES, SOURCE, SOURCE, SOURCE, COUNTS),
    st.none() | st.builds(Queued, TIMES, SOURCE, st.sampled_from(["slot", "disk"])),
    st.none() | st.builds(Ended, TIMES, SOURCE, st.none() | COUNTS, st.sampled_from(["", "user"])),
)
RUNNING = FACTS.map(lambda facts: replace(facts, started=NOW - 3000, process=UP, silence=None, ended=None, wanted=None))
FACTS |= RUNNING
REPORT = st.builds(
    Claim,
    TIMES,
    st.sampled_from([*KINDS, "other"]),
    st.text(max_size=3),
    st.text(max_size=9),
    st.lists(st.text(max_size=4), max_size=3).map(tuple),
)


def claimed(reports: list[Claim]) -> Claims:
    claims = Claims()
    for report in reports:
        claims = with_claim(claims, report)
    return claims


CLAIMS = st.lists(REPORT, max_size=12).map(claimed)


@given(FACTS, CLAIMS, st.booleans())
def test_no_claim_hides_a_fact(facts: Facts, claims: Claims, watched: bool) -> None:
    without, state = judge(facts, NONE, NOW, watched=watched), judge(facts, claims, NOW, watched=watched)
    assert {without.word, *without.also} & ATTENTION <= {state.word, *state.also}
    proved = {one for one in without.evidence if one.source == "x" and one.word != "waiting"}
    texts = {(one.word, one.at) for one in state.evidence}
    assert {(one.word, one.at) for one in proved if GROUPS[one.word] in ("needs", "review", "over")} <= texts
    if without.group == "over":
        assert state.word == without.word, "nothing from inside brings an ended run back"
    assert state.process == without.process


@given(FACTS, CLAIMS, st.booleans())
def test_every_state_has_evidence_and_an_age(facts: Facts, claims: Claims, watched: bool) -> None:
    state = judge(facts, claims, NOW, watched=watched)
    assert state.evidence
    assert all(one.word == state.word for one in state.evidence[:1])
    assert NOW - 3000 <= state.since <= NOW + 10
    assert state.doubt_at is None or state.doubt_at > NOW
    if state.group in ("working", "waiting") and state.word != "queued" and not watched:
        assert state.doubt_at is not None, "without news a state is doubted some day"


@given(FACTS, CLAIMS, st.floats(0, 1), st.booleans())
def test_nothing_changes_before_the_time_to_doubt(facts: Facts, claims: Claims, part: float, watched: bool) -> None:
    state = judge(facts, claims, NOW, watched=watched)
    later = NOW + 1e6 if state.doubt_at is None else NOW + (state.doubt_at - NOW) * part * 0.999
    assert judge(facts, claims, later, watched=watched).word == state.word


@given(FACTS, CLAIMS)
def test_facts_and_claims_survive_json(facts: Facts, claims: Claims) -> None:
    kept = json.loads(json.dumps([facts_to_json(facts), claims_to_json(claims)]))
    bare = Facts(facts.created, facts.headless, facts.started, facts.seen, facts.wanted)
    assert facts_from_json(kept[0], replace(bare, queued=facts.queued, ended=facts.ended)) == facts
    assert claims_from_json(kept[1]) == claims


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
)


@given(st.dictionaries(st.sampled_from([*facts_to_json(RUNS), "calls", "spent", "cpu"]), JSON), JSON)
def test_what_a_newer_version_wrote_is_read_or_left_out(facts: object, claims: object) -> None:
    base = Facts(NOW)
    state: TaskState = judge(facts_from_json(facts, base), claims_from_json(claims), NOW)
    assert state.evidence


@pytest.mark.parametrize(
    "kept",
    [
        *(
            {"exit_code": "7"},
            {"exit_code": 1.5},
            {"exit_code": True},
            {"word": "on"},
            {"at": None},
            {"at": float("nan")},
        ),
        *({"source": 3}, {"since": "x"}),
    ],
)
def test_a_fact_with_a_wrong_value_was_never_heard(kept: dict[str, object]) -> None:
    good = facts_to_json(RUNS)
    assert facts_from_json(good, Facts(NOW)).process == UP
    assert facts_from_json({"process": good["process"] | kept}, Facts(NOW)).process is None


def test_questions_are_limited_and_their_texts_made_safe() -> None:
    flood = claimed([Claim(NOW + n / 100, "question", f"q{n}", "\x1b[2Jpwned" * 500) for n in range(40)])
    assert len(flood.open) == 6
    assert flood.dropped == 34
    assert "\x1b" not in flood.open[0].text
    assert len(flood.open[0].text) <= 500
    later = claimed([Claim(NOW + n * 20, "question", f"q{n}") for n in range(40)])
    assert len(later.open) == 8, "however slowly they come"
    again = claimed([Claim(NOW, "question", "q"), Claim(NOW + 9, "question", "q", "reworded")])
    assert [(one.at, one.text) for one in again.open] == [(NOW, "reworded")]
