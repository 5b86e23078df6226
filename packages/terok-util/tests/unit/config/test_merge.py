from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_util import deep_merge

leaves = st.integers() | st.text(max_size=3) | st.booleans()
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner)
)
maps = st.dictionaries(st.sampled_from("abcd"), values)


@pytest.mark.parametrize(
    ("base", "override", "merged"),
    [
        ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": None, "e": 4}}, {"a": 1, "b": {"d": 3, "e": 4}}),
        ({"a": 1}, {"a": None, "x": None}, {}),
        ({"a": [1, 2]}, {"a": [0, "_inherit", 3]}, {"a": [0, 1, 2, 3]}),
        ({"a": [1, 2]}, {"a": []}, {"a": []}),
        ({}, {"a": ["_inherit", 3]}, {"a": [3]}),
        ({"a": {"x": 1}}, {"a": "_inherit", "b": "_inherit"}, {"a": {"x": 1}}),
        ({"a": {"x": 1}}, {"a": {"_inherit": False, "y": 2}}, {"a": {"y": 2}}),
        ({"a": {"x": 1}}, {"a": {"_inherit": True, "y": 2}}, {"a": {"x": 1, "y": 2}}),
        ({"a": 1}, {"a": {"x": {"y": None, "z": 1}}}, {"a": {"x": {"z": 1}}}),
        ({"a": {"x": 1}}, {"a": 2}, {"a": 2}),
    ],
)
def test_rules(base: dict[str, Any], override: dict[str, Any], merged: dict[str, Any]) -> None:
    assert deep_merge(base, override) == merged


@given(maps, maps, maps)
def test_laws(low: dict[str, Any], middle: dict[str, Any], high: dict[str, Any]) -> None:
    before = copy.deepcopy((low, middle))
    merged = deep_merge(low, middle)
    assert (low, middle) == before
    assert deep_merge(low, {}) == low
    assert deep_merge({}, low) == low
    assert deep_merge(merged, middle) == merged
    assert deep_merge(merged, high) == deep_merge(low, deep_merge(middle, high)) or any(
        isinstance(value, dict) for value in high.values()
    )
    assert list(merged) == [*low, *(key for key in middle if key not in low)]


def test_result_shares_nothing() -> None:
    base, override = {"a": {"x": [1]}}, {"b": {"y": [2]}}
    merged = deep_merge(base, override)
    merged["a"]["x"].append(9)
    merged["b"]["y"].append(9)
    assert (base, override) == ({"a": {"x": [1]}}, {"b": {"y": [2]}})
