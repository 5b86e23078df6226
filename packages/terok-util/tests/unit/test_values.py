from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_util import lean_dataclass


@lean_dataclass(frozen=True, slots=True)
class Lean:
    """A value."""

    shared: ClassVar[int] = 7
    name: str
    size: int = 3
    more: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("size")


@dataclass(frozen=True, slots=True)
class Usual:
    """The same value."""

    shared: ClassVar[int] = 7
    name: str
    size: int = 3
    more: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("size")


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class Below(Lean):
    """A value with more."""

    flag: bool = False


def outcome(kind: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> object:
    """Return what making a value comes to: its content, or the kind of error."""
    try:
        return asdict(kind(*args, **keywords))
    except (TypeError, ValueError) as error:
        return type(error)


names = st.sampled_from(["name", "size", "more", "shared", "other"])


@given(st.lists(st.sampled_from(["n", 5, -1]), max_size=4), st.dictionaries(names, st.integers(-1, 3), max_size=3))
def test_it_takes_and_refuses_the_arguments_that_the_usual_one_does(args: list[Any], keywords: dict[str, Any]) -> None:
    def comparable(args: list[Any]) -> tuple[Any, ...]:
        return tuple(value if number != 1 or isinstance(value, int) else 4 for number, value in enumerate(args))

    assert outcome(Lean, comparable(args), keywords) == outcome(Usual, comparable(args), keywords)


def test_it_is_a_frozen_value_that_can_be_compared_copied_and_shown() -> None:
    one = Lean("a", more={"b": 1})
    assert one == Lean("a", 3, {"b": 1}) != Lean("b")
    assert one != Usual("a", more={"b": 1})
    assert repr(one) == repr(Usual("a", more={"b": 1})).replace("Usual", "Lean")
    assert hash(Below(name="a", more=())) == hash(Below(name="a", more=()))  # type: ignore[arg-type]
    assert [item.name for item in fields(Below(name="x", flag=True))] == ["name", "size", "more", "flag"]
    assert replace(one, size=5) == Lean("a", 5, {"b": 1})
    assert copy.deepcopy(one) == one == pickle.loads(pickle.dumps(one))
    assert not hasattr(one, "__dict__")
    for change in (lambda: setattr(one, "name", "b"), lambda: delattr(one, "name"), lambda: setattr(one, "new", 1)):
        with pytest.raises(FrozenInstanceError):
            change()
    match one:
        case Lean(name, size):
            assert (name, size) == ("a", 3)


def test_what_is_not_to_be_shown_is_not_shown() -> None:
    @lean_dataclass(frozen=True, slots=True)
    class Login:
        user: str
        key: str = field(repr=False)

    assert repr(Login("me", "secret")).endswith("Login(user='me')")


def test_every_field_counts() -> None:
    for odd in (field(default=0, compare=False), field(default=0, init=False)):
        with pytest.raises(AssertionError):
            lean_dataclass(frozen=True, slots=True)(type("Odd", (), {"__annotations__": {"a": int}, "a": odd}))
