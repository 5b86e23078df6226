from __future__ import annotations

import argparse
import sys
from types import ModuleType

import pytest
from terok_util import ArgDef, CommandDef, CommandTree

calls: list[str] = []


def status() -> None:
    calls.append("status")


def wrapped() -> None:
    calls.append("wrapped")


@pytest.fixture(autouse=True)
def _fresh() -> None:
    calls.clear()


@pytest.fixture
def lazy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A sibling wheel's tree, present as a module that counts how often it is read."""
    vault = CommandDef("vault", children=[CommandDef("status", handler=status), CommandDef("unlock", handler=status)])
    module = ModuleType("sibling_tree")
    module.COMMANDS = CommandTree([vault, CommandDef("run", handler=status)])  # type: ignore[attr-defined]
    module.VAULT = vault.children  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sibling_tree", module)
    return module


def composed() -> CommandTree:
    return CommandTree(
        [
            CommandDef("sandbox", children="sibling_tree:COMMANDS"),
            CommandDef("executor", children=lambda: [CommandDef("sandbox", children="sibling_tree:COMMANDS")]),
            CommandDef("task", children=[CommandDef("list", handler=status)]),
        ]
    )


def run(tree: CommandTree, line: str) -> int:
    parser = argparse.ArgumentParser()
    words = line.split()
    tree.wire(parser, words)
    return tree.dispatch(parser.parse_args(words))


def test_overlay_shows_wherever_the_node_occurs_and_nothing_else_changes() -> None:
    vault = CommandDef(
        "vault", children=[leaf := CommandDef("status", handler=status), CommandDef("x", handler=status)]
    )
    other = CommandDef("other", children=[CommandDef("y", handler=status)])
    tree = CommandTree([CommandDef("sandbox", children=[vault, other]), vault, other])
    changed = tree.overlay({"vault status": wrapped})
    assert changed.find_at("vault") is changed.find_at("sandbox vault")
    assert changed.find_at("sandbox vault status") is changed.find_at("vault status") is not leaf
    assert changed.find_at("vault status").handler is wrapped
    assert changed.find_at("other") is changed.find_at("sandbox other") is other
    assert changed.find_at("vault x") is tree.find_at("vault x")
    assert tree.find_at("vault status").handler is status
    for line in ("vault status", "sandbox vault status"):
        assert run(changed, line) == 0
    assert calls == ["wrapped", "wrapped"]


@pytest.mark.usefixtures("lazy")
def test_overlay_through_lazy_groups() -> None:
    tree = composed().overlay({("sandbox", "vault", "status"): wrapped}).overlay({"executor": "x:y"})
    assert tree.find_at("executor sandbox vault") is tree.find_at("sandbox vault")
    run(tree, "executor sandbox vault status")
    run(tree, "sandbox vault unlock")
    assert calls == ["wrapped", "status"]
    assert tree.find_at("executor").handler == "x:y"


def test_siblings_are_loaded_only_when_typed(lazy: ModuleType) -> None:
    del lazy.COMMANDS
    tree = composed().overlay({"sandbox vault status": wrapped}).extend_at("sandbox", [CommandDef("new")])
    parser = argparse.ArgumentParser()
    tree.wire(parser, ["--help"])
    assert "sandbox" in parser.format_help()
    plain = composed()
    assert run(plain, "task list") == 0
    with pytest.raises(LookupError, match="sibling_tree"):
        run(plain, "sandbox run")


def test_extend(lazy: ModuleType) -> None:
    new = CommandDef("list", handler=wrapped)
    tree = composed().extend_at("task", [new]).extend_at("", [CommandDef("top", handler=wrapped)])
    run(tree.extend_at("sandbox vault", [CommandDef("deep", handler=wrapped)]), "executor sandbox vault deep")
    run(tree, "task list")
    run(tree, "top")
    assert calls == ["wrapped"] * 3
    with pytest.raises(TypeError, match="list is not a group"):
        tree.extend_at(("task", "list"), [new])
    with pytest.raises(TypeError, match="run is not a group"):
        run(tree.extend_at("sandbox run", [new]), "sandbox run")


def test_find_and_walk(lazy: ModuleType) -> None:
    tree = composed()
    assert [" ".join(path) for path, _ in tree.walk()][:6] == [
        "sandbox",
        "sandbox vault",
        "sandbox vault status",
        "sandbox vault unlock",
        "sandbox run",
        "executor",
    ]
    with pytest.raises(LookupError, match="no such command: sandbox nope"):
        tree.find_at("sandbox nope deeper")
    with pytest.raises(LookupError):
        tree.find_at("")
    with pytest.raises(LookupError, match="no such command: nope"):
        list(tree.overlay({"nope": wrapped}).walk())


def test_values_do_not_change_and_wrong_children_are_refused() -> None:
    with pytest.raises(AttributeError):
        CommandDef("x").name = "y"
    with pytest.raises(AttributeError):
        ArgDef("x").name = "y"
    with pytest.raises(TypeError, match="not a CommandDef"):
        CommandDef("x", children=["y"])  # type: ignore[list-item]
