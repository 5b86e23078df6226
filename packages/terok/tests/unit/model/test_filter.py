"""The filter language: which tasks a term keeps, and what a bad one is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.errors import FilterError
from terok.model.filter import KEYS, matches, parse_filter
from terok.model.task import Task

NOW = 100_000.0
TASK = Task(
    "a3bcdefg",
    "web",
    "fix-auth",
    "claude",
    "headless",
    NOW - 9000,
    prompt="Fix the Login bug",
    cost=1.5,
    word="question",
    group="needs",
    also="budget review",
    since=NOW - 5400,
    race="r2bcdefg",
)


@pytest.mark.parametrize(
    "kept",
    [
        *(
            "",
            "  ",
            "s:question",
            "s:needs",
            "s:budget",
            "s:review",
            "s:done,question",
            "S:Question",
            "!s:done",
            "p:web",
        ),
        *("p:api,web", "!p:api", "a:claude", "m:headless", "age:>1h", "age:<2h", "age:>1.4h", "!age:>1d", "cost:>1"),
        *("cost:<1.51", "name:auth", "id:a3", "id:A3-BC", "login", '"the login"', 'name:"fix-a"', "FIX s:needs p:web"),
        *("race:r2bcdefg", "race:R2-b", "!race:x"),
        *("!nothing", "age:>5399s age:<5401s"),
    ],
)
def test_a_filter_keeps(kept: str) -> None:
    assert matches(parse_filter(kept), TASK, NOW)


@pytest.mark.parametrize(
    "left_out",
    [
        *(
            "s:working",
            "!s:question",
            "!s:budget",
            "p:we",
            "a:codex",
            "m:web",
            "age:>2h",
            "age:<1h",
            "cost:>1.5",
            "cost:<1",
        ),
        *("name:auth2", "id:b", "logout", "login p:api", "!login", "s:question,budget !p:web"),
        *("race:b", "!race:r2"),
    ],
)
def test_a_filter_leaves_out(left_out: str) -> None:
    assert not matches(parse_filter(left_out), TASK, NOW)


def test_a_task_of_no_race_is_found_by_none() -> None:
    assert not matches(parse_filter("race:-"), TASK._replace(race=""), NOW)


def test_an_unknown_cost_is_neither_more_nor_less() -> None:
    unknown = TASK._replace(cost=None)
    assert not matches(parse_filter("cost:>0"), unknown, NOW)
    assert not matches(parse_filter("cost:<9"), unknown, NOW)


@pytest.mark.parametrize(
    ("text", "position", "message", "hint"),
    [
        ("p:web s:qestion", 8, "invalid value 'qestion' of s:", "did you mean question?"),
        ("s:done,neds", 7, "invalid value 'neds' of s:", "did you mean needs?"),
        ("status:done", 0, "there is no key 'status'", "use one of a, age,"),
        ("nmae:x", 0, "there is no key 'nmae'", "did you mean name?"),
        ("a p:", 4, "a value is missing", "p: takes project"),
        ("!", 1, "a value is missing", ""),
        ("age:1h", 4, "invalid age '1h'", "age: takes since"),
        ("age:>٣h", 4, "invalid age", ""),
        ("age:>1y", 4, "invalid age", ""),
        ("cost:>-1", 5, "invalid cost", ""),
        ("cost:>nan", 5, "invalid cost", ""),
        ("m:batch", 2, "invalid value 'batch' of m:", "use one of headless, interactive, web"),
        ('"a b"c', 5, "a quoted value ends its term", ""),
        ("x" * 1001, 1000, "longer than 1000", ""),
    ],
)
def test_a_bad_term_is_told_where_and_what_is_near(text: str, position: int, message: str, hint: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    assert caught.value.position == position
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


HOSTILE = st.text() | st.lists(
    st.sampled_from([*KEYS, ":", "!", '"', ">", "<", "1", "h", ",", " ", "s:done", "\x1b[2J", "é", "٣"]), max_size=9
).map("".join)


@given(HOSTILE)
def test_any_text_is_a_filter_or_an_error_of_it(text: str) -> None:
    try:
        query = parse_filter(text)
    except FilterError as error:
        assert 0 <= error.position <= len(text)
        assert error.message.isprintable()
        assert (error.hint or "").isprintable()
    else:
        assert matches(query, TASK, NOW) in (True, False)
