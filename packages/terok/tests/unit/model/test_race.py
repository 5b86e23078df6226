"""Who takes part in a race, how attempts compare, and how much a branch changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.model.changes import FileChange, Size, parse_numstat, size_of, touched_by_several
from terok.model.race import MOST, Check, Contender, Standing, contenders, is_judgeable, least, ordered
from terok_util import UsageError

A, B = Contender("a"), Contender("b", "big:7b")
DID = Size(10, 2, 3)


def standing(number: int, **fields: object) -> Standing:
    return Standing(number, f"t{number}", f"n-{number}", "demo", **{"tip": "c0ffee", "size": DID, **fields})


@pytest.mark.parametrize(
    ("agents", "number", "expected"),
    [
        ([], None, [Contender("")] * 3),
        ([], 2, [Contender("")] * 2),
        (["a"], None, [A] * 3),
        (["a", "b:big:7b"], None, [A, B]),
        (["a", " b:big:7b"], 5, [A, B, A, B, A]),
        (["a", "a"], None, [A, A]),
    ],
)
def test_who_takes_part(agents: list[str], number: int | None, expected: list[Contender]) -> None:
    assert contenders(agents, number) == expected


@pytest.mark.parametrize(
    ("agents", "number", "problem"),
    [
        (["a"], 1, "2 to 32 attempts, not 1"),
        (["a"], MOST + 1, "not 33"),
        (["a", "b", "c"], 2, "3 agents do not fit"),
        (["a:"], None, "not an agent: 'a:'"),
        ([":m"], None, "not an agent"),
    ],
)
def test_what_is_no_race(agents: list[str], number: int | None, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        contenders(agents, number)


PASSED = standing(1, check=Check("passed"), cost=0.2, seconds=30.0, findings=0)
DEARER = standing(2, check=Check("passed"), cost=0.3, seconds=20.0, findings=0, size=Size(1, 1, 1))
FAILED = standing(3, check=Check("failed", exit_code=1), cost=0.01, seconds=1.0)
NOTHING = standing(4, tip="", size=None, cost=0.0, seconds=2.0, word="failed")
WORKS = standing(5, over=False, cost=0.0, tip="", size=None)
CHECKED = standing(6, check=Check("running"))
GONE = standing(7, fate="deleted", cost=0.0)
UNPRICED = standing(8, check=Check("passed"), seconds=20.0, findings=3)
KEPT = standing(9, fate="archived", check=Check("passed"), cost=0.2, seconds=99.0, findings=0)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], {}),
        ([PASSED], {}),
        ([PASSED, DEARER], {"cost": (1,), "seconds": (2,), "size": (2,)}),
        ([PASSED, FAILED, NOTHING, WORKS, GONE], {}),
        ([PASSED, UNPRICED], {"seconds": (8,), "findings": (1,)}),
        ([PASSED, DEARER, UNPRICED, KEPT], {"cost": (1, 9), "seconds": (2, 8), "size": (2,), "findings": (1, 2, 9)}),
        ([CHECKED, FAILED], {}),
    ],
)
def test_what_is_the_least(rows: list[Standing], expected: dict[str, tuple[int, ...]]) -> None:
    assert least(rows) == expected


def test_the_order_of_reading_follows_checks_and_numbers_alone() -> None:
    everyone = [GONE, NOTHING, WORKS, FAILED, CHECKED, UNPRICED, DEARER, PASSED]
    assert [one.number for one in ordered(everyone)] == [1, 2, 8, 6, 5, 3, 4, 7]
    assert [one.number for one in everyone if is_judgeable(one)] == [8, 2, 1]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"3\t1\tREADME.md\0-\t-\tlogo.png\0", [FileChange("README.md", 3, 1), FileChange("logo.png", None, None)]),
        (b"1\t0\ta\tb\nc\0", [FileChange("a\tb\nc", 1, 0)]),
        (b"1\t0\t\xff\0", [FileChange("\udcff", 1, 0)]),
        (b"1\t0\t\0no row\0\0", []),
        (b"99999999999999999\t-1\tx\0", [FileChange("x", None, None)]),
    ],
)
def test_the_numbers_of_git(data: bytes, expected: list[FileChange]) -> None:
    assert parse_numstat(data) == expected


@given(st.binary())
def test_no_bytes_are_more_than_they_say(data: bytes) -> None:
    found = parse_numstat(data)
    size = size_of(found)
    assert len(found) <= data.count(b"\t") // 2
    assert size.files == len(found) >= size.binary
    assert all(one.path.encode("utf-8", "surrogateescape") in data for one in found)


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9), NAMES)))
def test_every_file_is_found_again(rows: list[tuple[int, int, str]]) -> None:
    data = b"".join(f"{added}\t{deleted}\t{name}\0".encode() for added, deleted, name in rows)
    assert parse_numstat(data) == [FileChange(name, added, deleted) for added, deleted, name in rows]
    assert size_of(parse_numstat(data)).lines == sum(added + deleted for added, deleted, _ in rows)


def test_files_that_several_touch() -> None:
    def touches(*paths: str) -> list[FileChange]:
        return [FileChange(path, 1, 0) for path in paths]

    found = touched_by_several({2: touches("a", "c"), 1: touches("a", "b", "c"), 3: touches("d", "c")})
    assert found == {"a": (1, 2), "c": (1, 2, 3)}
