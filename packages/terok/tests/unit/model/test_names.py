"""Identifiers and names: what is generated is valid, what a person types finds one task or says why not."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.errors import AmbiguousTask, BadName, UnknownTask, UsageError
from terok.model.ids import DIGITS, is_id, is_prefix, new_id, normalize, short_ids
from terok.model.names import (
    Address,
    Candidate,
    check_project_name,
    check_task_name,
    generate_name,
    parse_address,
    resolve,
)

IDS = st.binary(min_size=8, max_size=8).map(new_id)


@given(IDS, st.data())
def test_an_identifier_survives_how_people_write_it(one: str, data: st.DataObject) -> None:
    assert is_id(one)
    looks = {"0": "0Oo", "1": "1IiLl"}
    written = "".join(data.draw(st.sampled_from(looks.get(char, char + char.upper()))) for char in one)
    cut = data.draw(st.integers(0, 8))
    assert normalize(f" {written[:cut]}-{written[cut:]}\n") == one


def test_every_character_is_used() -> None:
    made = [new_id((number * 0x9E3779B97F4A7C15 % 2**64).to_bytes(8, "big")) for number in range(4000)]
    assert {one[0] for one in made} == set(DIGITS[10:])
    assert all({one[place] for one in made} == set(DIGITS) for place in range(1, 8))


@given(st.text(max_size=9))
def test_an_identifier_is_nothing_else(text: str) -> None:
    if is_id(text):
        assert len(text) == 8
        assert text[0] in string.ascii_lowercase
        assert is_prefix(text[:3])


@given(st.sets(IDS, max_size=30))
def test_what_is_shown_of_an_identifier_finds_it(ids: set[str]) -> None:
    everyone = [Candidate(one, "web", f"n-{number}", 0.0) for number, one in enumerate(sorted(ids))]
    short = short_ids(ids)
    assert short.keys() == ids
    for one, shown in short.items():
        assert len(shown) >= 2
        assert resolve(parse_address(shown), everyone) == one
        assert len(shown) == 2 or any(other.startswith(shown[:-1]) for other in ids - {one}), "and no shorter one does"


@given(st.binary(min_size=8, max_size=8), st.integers(0, 5))
def test_a_generated_name_is_valid_and_free(seed: bytes, taken: int) -> None:
    names: list[str] = []
    for _ in range(taken + 1):
        names.append(check_task_name(generate_name(seed, names)))
    assert len(set(names)) == taken + 1


TASKS = [
    Candidate("a3xxxxxx", "web", "fix-auth", 1.0),
    Candidate("a4xxxxxx", "web", "a3", 2.0),
    Candidate("b1xxxxxx", "api", "fix-auth", 3.0),
    Candidate("b1xxxxx0", "api", "b1xxxxxx", 3.0),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a3x", "a3xxxxxx"),
        ("A4", "a4xxxxxx"),
        ("a3", ["a3 web/fix-auth", "a4 web/a3"]),
        ("a3xxxxxx", "a3xxxxxx"),
        ("web/fix-auth", "a3xxxxxx"),
        ("api/fix-auth", "b1xxxxxx"),
        ("fix-auth", ["a3 web/fix-auth", "b1xxxxxx api/fix-auth"]),
        ("bl-xx-xxx-0", "b1xxxxx0"),
        ("b1xxxxxx", "b1xxxxxx"),
        ("--", None),
        ("@latest", "b1xxxxxx"),
        ("web/@latest", "a4xxxxxx"),
        ("api/a3", None),
        ("nothing", None),
        ("no/@latest", None),
    ],
)
def test_addresses(text: str, expected: str | list[str] | None) -> None:
    if isinstance(expected, str):
        assert resolve(parse_address(text), TASKS) == expected
    elif expected is None:
        with pytest.raises(UnknownTask):
            resolve(parse_address(text), TASKS)
    else:
        with pytest.raises(AmbiguousTask) as caught:
            resolve(parse_address(text), TASKS)
        assert all(one in caught.value.message for one in expected)


@given(st.text(max_size=70))
def test_an_address_is_understood_or_refused_safely(text: str) -> None:
    try:
        assert isinstance(parse_address(text), Address)
    except UsageError as error:
        assert error.message.isprintable()


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a/b", "a b", "a.b", ".", "..", "@latest", "a\n", "é", "x" * 41])
def test_bad_names_of_projects(name: str) -> None:
    with pytest.raises(BadName) as caught:
        check_project_name(name)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("name", ["a", "9", "my-project_2", "x" * 40])
def test_good_names_of_projects(name: str) -> None:
    assert check_project_name(name) == name


@pytest.mark.parametrize("name", ["", "a.b", "a_b", "@latest", "x" * 61, "a\x1b"])
def test_bad_names_of_tasks(name: str) -> None:
    with pytest.raises(BadName):
        check_task_name(name)
