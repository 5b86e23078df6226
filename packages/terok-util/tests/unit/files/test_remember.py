"""Values made from files are kept, and made anew when anything they depend on has changed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_util.files.remember import frozen, remembered, thawed


@dataclass(frozen=True)
class Leaf:
    name: str
    of: tuple[int, ...] = ()


@dataclass(frozen=True)
class Branch:
    leaves: tuple[Leaf, ...]
    tree: Any


KINDS = {"Leaf": Leaf, "Branch": Branch}
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.just("="), inner, max_size=3)
        | st.builds(Branch, st.lists(st.builds(Leaf, st.text(max_size=3)), max_size=2).map(tuple), inner)
    ),
    max_leaves=12,
)


@given(TREES)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    again = thawed(json.loads(json.dumps(frozen(value))), KINDS)
    assert again == value
    assert repr(again) == repr(value), "tuples and lists are told apart"


def make_counting(value: Any) -> tuple[Any, list[int]]:
    calls: list[int] = []

    def make() -> Any:
        calls.append(1)
        return value

    return make, calls


def test_it_is_made_once_and_anew_when_a_source_or_the_code_has_changed(tmp_path: Path) -> None:
    file, code = tmp_path / "kept" / "value.json", tmp_path / "code.py"
    code.write_text("1")
    make, calls = make_counting(Leaf("a", (1, 2)))

    def ask(content: bytes) -> Any:
        return remembered(file, make, sources=[("f", content)], kinds=KINDS, code=[code])

    assert ask(b"1") == ask(b"1") == Leaf("a", (1, 2))
    assert len(calls) == 1
    ask(b"2")
    assert len(calls) == 2, "another content"
    code.write_text("other")
    ask(b"2")
    assert len(calls) == 3, "other code"
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", ["open to others", "no JSON", "another kind", "a link", "a pipe"])
def test_what_is_damaged_or_not_ours_alone_is_made_again(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "kept" / "value.json"
    make, calls = make_counting(Leaf("right"))

    def ask() -> Any:
        return remembered(file, make, sources=[("f", b"1")], kinds=KINDS, code=[])

    ask()
    text = file.read_text().replace("right", "wrong")
    if damage == "open to others":
        file.write_text(text)
        file.chmod(0o666)
    elif damage == "no JSON":
        file.write_text(text[:-3])
    elif damage == "another kind":
        file.write_text(text.replace("Leaf", "Path"))
    else:
        file.unlink()
        other = tmp_path / "other.json"
        other.write_text(text)
        file.symlink_to(other) if damage == "a link" else os.mkfifo(file)
    assert ask() == Leaf("right")
    assert len(calls) == 2


def test_errors_pass_and_nothing_is_kept_where_nothing_is_yet(tmp_path: Path) -> None:
    def fail() -> Any:
        raise LookupError("no")

    file = tmp_path / "kept" / "value.json"
    with pytest.raises(LookupError):
        remembered(file, fail, sources=[], kinds={}, code=[])
    away = tmp_path / "none" / "kept" / "value.json"
    assert remembered(away, lambda: 1, sources=[], kinds={}, code=[]) == 1
    assert not file.exists()
    assert not away.parent.parent.exists()
