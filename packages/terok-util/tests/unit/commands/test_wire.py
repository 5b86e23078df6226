from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import pytest
from terok_util import ArgDef, CommandDef, CommandTree, UsageError
from terok_util.commands.parser import VerbParser

seen: dict[str, Any] = {}


def keep(**keywords: Any) -> None:
    seen.clear()
    seen.update(keywords)


async def later(code: int) -> int:
    return code


ARGS = [
    ArgDef("task-id"),
    ArgDef("-p/--prompt", help="100% yours, %(default)s", default="none"),
    ArgDef("--max-turns", type=int, dest="turns", choices=range(5)),
    ArgDef("-v/--verbose", action="count", default=0),
    ArgDef("--json", action="store_true", group="format"),
    ArgDef("--yaml", action="store_true", group="format"),
    ArgDef("rest", nargs=argparse.REMAINDER),
]


def tree(handler: Callable[..., Any] | str = keep, args: list[ArgDef] = ARGS) -> CommandTree:
    group = CommandDef("group", help="a group", children=[CommandDef("leaf", handler=handler, args=args)])
    return CommandTree([group, CommandDef("other", help="100% other", handler="json:dumps")])


def run(tree: CommandTree, line: str, kind: type[argparse.ArgumentParser] = VerbParser) -> int:
    parser = kind(prog="terok")
    tree.wire(parser, line.split())
    return tree.dispatch(parser.parse_args(line.split()))


@pytest.mark.parametrize("kind", [VerbParser, argparse.ArgumentParser])
def test_keywords(kind: type[argparse.ArgumentParser]) -> None:
    assert run(tree(), "group leaf -vv -p hi --max-turns 3 --json t1 -- -x --json --", kind) == 0
    assert seen == {
        "task_id": "t1",
        "prompt": "hi",
        "turns": 3,
        "verbose": 2,
        "json": True,
        "yaml": False,
        "rest": ["-x", "--json", "--"],
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("group leaf --json --yaml t", "not allowed with"),
        ("group leaf --max-turns 9 t", "invalid --max-turns 9: use one of "),
        ("group leaf --max-turns x t", "invalid int value"),
        ("group leaf", "required: task-id"),
        ("group leaf --prom x t", "unknown option: --prom"),
        ("group laef t", "unknown command: laef"),
        ("nothing", "unknown command: nothing"),
        ("--nope group leaf t", "unknown option: --nope"),
    ],
)
def test_wrong_lines_are_usage_errors_with_a_hint(line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        run(tree(), line)
    assert "terok" in str(caught.value.hint)


def test_required_and_required_groups() -> None:
    with pytest.raises(UsageError, match="required: --a"):
        run(tree(args=[ArgDef("--a", required=True)]), "group leaf")
    both = [ArgDef("--a", group="g", required=True), ArgDef("--b", group="g")]
    with pytest.raises(UsageError, match="one of the arguments --a --b is required"):
        run(tree(args=both), "group leaf")


@pytest.mark.parametrize(("result", "code"), [(None, 0), (3, 3), (True, 0), ("text", 0), (0, 0)])
def test_exit_codes(result: object, code: int) -> None:
    assert run(tree(lambda: result, []), "group leaf") == code


def test_coroutines_lazy_types_and_references() -> None:
    assert run(tree(later, [ArgDef("code", type=int)]), "group leaf 7") == 7
    assert run(tree(keep, [ArgDef("path", type="pathlib:Path")]), "group leaf a/b") == 0
    assert seen["path"].name == "b"
    assert run(tree("os:getpid", []), "group leaf") > 0


def test_group_without_a_verb_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tree(), "group") == 0
    out = capsys.readouterr().out
    assert out.startswith("usage: terok group")
    assert "leaf" in out
    assert run(tree(), "") == 0
    assert tree().dispatch(argparse.Namespace()) == 2


def test_only_typed_subtrees_are_built() -> None:
    loaded: list[str] = []

    def children(name: str) -> Callable[[], list[CommandDef]]:
        return lambda: loaded.append(name) or [CommandDef("x", handler=keep)]  # type: ignore[func-returns-value]

    def lazy() -> CommandTree:
        loaded.clear()
        return CommandTree([CommandDef("a", children=children("a")), CommandDef("b", children=children("b"))])

    lazy().wire(VerbParser(), ["--option", "value", "a", "x"])
    assert loaded == ["a"]
    lazy().wire(VerbParser(), ["-h"])
    assert loaded == []
    lazy().wire(VerbParser())
    assert loaded == ["a", "b"]
