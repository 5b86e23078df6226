from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from terok_util import ConfigScope, ConfigStack, load_yaml_scope

leaves = (
    st.none() | st.integers(0, 3) | st.just("_inherit") | st.lists(st.just("_inherit") | st.integers(0, 3), max_size=2)
)
values = st.recursive(
    leaves, lambda inner: st.dictionaries(st.sampled_from(["a", "b", "_inherit"]), inner), max_leaves=6
)
data = st.dictionaries(st.sampled_from("ab"), values)


def test_layers_sections_and_origins(tmp_path: Path) -> None:
    (tmp_path / "system.yml").write_text("shield:\n  mode: filter\n  allow:\n    - a.example\nimage: {base: x}\n")
    (tmp_path / "user.yml").write_text("# mine\nshield:\n  allow:\n    - _inherit\n    - b.example\n")
    stack = ConfigStack([load_yaml_scope("system", tmp_path / "system.yml")])
    stack.push(load_yaml_scope("user", tmp_path / "user.yml"))
    stack.push(ConfigScope("command line", None, {"image": None, "run": {"cpus": 2}}))
    assert stack.resolve() == {
        "shield": {"mode": "filter", "allow": ["a.example", "b.example"]},
        "run": {"cpus": 2},
    }
    assert stack.resolve_section("shield") == stack.resolve()["shield"]
    assert stack.resolve_section("image") == stack.resolve_section("absent") == {}
    assert str(stack.origin("shield.mode")) == f"{tmp_path}/system.yml:2"
    assert str(stack.origin(("shield", "allow"))) == f"{tmp_path}/user.yml:3"
    assert str(stack.origin("run.cpus")) == "command line"
    assert stack.origin("image.base") is None
    assert stack.origin("no.such") is None
    assert [scope.level for scope in stack.scopes] == ["system", "user", "command line"]


@given(st.lists(data, max_size=4))
def test_a_value_has_an_origin_exactly_when_it_exists(layers: list[dict[str, Any]]) -> None:
    stack = ConfigStack(ConfigScope(str(number), None, layer) for number, layer in enumerate(layers))
    resolved = stack.resolve()
    for path in [("a",), ("b",), ("a", "a"), ("a", "b"), ("b", "a", "b")]:
        found: Any = resolved
        for part in path:
            found = found.get(part) if isinstance(found, dict) else None
        origin = stack.origin(path)
        assert (origin is None) == (found is None)
        if origin is not None:
            without = ConfigStack(stack.scopes[: int(origin.level) + 1])
            below: Any = without.resolve()
            for part in path:
                below = below[part]
            assert below == found


def test_a_map_that_does_not_inherit_hides_what_is_below() -> None:
    low = ConfigScope("low", None, {"a": {"x": 1}})
    stack = ConfigStack([low, ConfigScope("high", None, {"a": {"_inherit": False, "y": 2}})])
    assert stack.resolve() == {"a": {"y": 2}}
    assert stack.origin("a.x") is None
    assert str(stack.origin("a.y")) == "high"
