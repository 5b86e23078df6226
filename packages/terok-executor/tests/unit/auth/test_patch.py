"""Configuration patches: what is set, what stays, and what is refused."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_executor.auth.patch import patch_text
from terok_executor.errors import ConfigPatchError
from terok_util import deep_merge, yaml

KEYS = st.sampled_from(["a", "b", "c d", "é"])
SCALARS = st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["C", "Z"]))
TREES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3))
MAPS = st.dictionaries(KEYS, TREES, max_size=3)

JSON = """\
// my settings
{
  "theme": "dark", /* stays */
  "mcp": {
    // servers
    "one": {"url": "https://a"},
  },
  "empty": {},
}
"""
TOML = """\
# my settings
model = "x"   # stays

[model_providers.mine]
name = "Mine" # mine
"""
YAML = """\
# my settings
theme: dark # stays
mcp:
  # servers
  one: {url: https://a}
"""


def test_comments_and_order_stay() -> None:
    changed = patch_text(
        "s.json", JSON, {"theme": "light", "mcp": {"two": 2}, "new": {"deep": [1]}, "empty": {"x": None}}
    )
    assert (
        changed
        == """\
// my settings
{
  "new": {"deep": [1]},
  "theme": "light", /* stays */
  "mcp": {
    "two": 2,
    // servers
    "one": {"url": "https://a"},
  },
  "empty": {
    "x": null
  },
}
"""
    )
    toml = patch_text("c.toml", TOML, {"model": "y", "model_providers": {"mine": {"url": "u"}, "other": {"name": "O"}}})
    assert [word for word in ("# my settings", "# stays", "# mine") if word not in toml] == []
    assert tomllib.loads(toml) == {
        "model": "y", "model_providers": {"mine": {"name": "Mine", "url": "u"}, "other": {"name": "O"}},
    }  # fmt: skip
    text = patch_text("c.yaml", YAML, {"theme": "light", "mcp": {"two": 2}})
    assert "# my settings\ntheme: light # stays\nmcp:\n  # servers\n" in text
    assert yaml.plain(yaml.load(text)) == {"theme": "light", "mcp": {"one": {"url": "https://a"}, "two": 2}}


@given(MAPS, MAPS, st.sampled_from([None, 2]))
def test_json_is_merged_as_maps_are(present: dict[str, Any], changes: dict[str, Any], indent: int | None) -> None:
    try:
        text = patch_text("s.json", json.dumps(present, indent=indent), changes)
    except ConfigPatchError as error:
        assert "an object is needed" in error.message
        return
    assert json.loads(text) == deep_merge(present, changes)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("s.json", '{"a": }', "s.json: line 1: not JSON"),
        ("s.json", '{"a": 1\n"b": 2}', "s.json: line 2: not JSON"),
        ("s.json", '{"a": 1} x', "not JSON"),
        ("s.json", "[]", "s.json: the file: an object is needed"),
        ("s.json", '{"a": 1}', "s.json: a: an object is needed"),
        ("s.json", "[" * 100_000, "s.json"),
        ("c.toml", "a = ", "c.toml"),
        ("c.toml", "a = 1", "c.toml: a: a map is needed"),
        ("c.yaml", "a: [", "c.yaml:1"),
        ("c.yaml", "- a", "c.yaml: a map"),
        ("c.yaml", "a: 1", "c.yaml: a: a map is needed"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_it(name: str, text: str, message: str) -> None:
    with pytest.raises(ConfigPatchError) as caught:
        patch_text(name, text, {"a": {"b": 1}})
    assert message in caught.value.message


def test_a_file_that_is_not_there_is_made() -> None:
    for name in ("s.json", "c.toml", "c.yaml"):
        text = patch_text(name, "", {"a": {"b": 1}})
        assert yaml.plain(yaml.load(text)) == {"a": {"b": 1}} if name != "c.toml" else tomllib.loads(text)
