from __future__ import annotations

import pickle
from typing import NamedTuple

import pytest
from terok_util import LeanTuple


class Lean(LeanTuple):
    """A value."""

    name: str
    size: int = 3

    @property
    def twice(self) -> int:
        return self.size * 2


class Usual(NamedTuple):
    """The same value."""

    name: str
    size: int = 3


def test_it_is_a_named_tuple_like_any_other() -> None:
    assert Lean._fields == Usual._fields
    assert Lean._field_defaults == Usual._field_defaults
    assert Lean("a") == Usual("a") == ("a", 3)
    assert (Lean("a").twice, Lean.__doc__, Lean.__module__) == (6, "A value.", __name__)
    assert repr(Lean("a")._replace(size=4)) == "Lean(name='a', size=4)"
    assert pickle.loads(pickle.dumps(Lean("a", 5))) == Lean("a", 5)
    with pytest.raises(TypeError):
        Lean()  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Lean("a").size = 4  # type: ignore[misc]


def test_a_field_without_a_default_comes_first() -> None:
    with pytest.raises(TypeError, match="without a default"):
        type(LeanTuple)("Wrong", (LeanTuple,), {"__annotations__": {"a": int, "b": int}, "a": 1, "__module__": "x"})
