"""Every command that a message, a docstring or a page names exists, with its options."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from terok.cli.tree import COMMANDS
from terok_executor.cli.tree import standalone_commands
from terok_sandbox.cli.tree import COMMANDS as SANDBOX
from terok_util import CommandDef, CommandTree

ROOT = Path(__file__).parents[5]
TREES = {
    "terok": COMMANDS,
    "terokctl": COMMANDS,
    "terok-executor": CommandTree(standalone_commands()),
    "terok-sandbox": SANDBOX,
}
ALWAYS = {"-h", "--help", "--no-input", "--version"}
_PROGRAM = r"(?:terok|terokctl|terok-executor|terok-sandbox)"
_TICKED = re.compile(rf"`({_PROGRAM} [^`\n]+)`")
_BARE = re.compile(rf"(?:^|(?<!the)(?<!newer)[\s:(])({_PROGRAM} [a-z][^`;,()\n]*)")
_TYPED = re.compile(rf"^\s*(?:\$ )?(?:tools/run )?({_PROGRAM}(?: .*)?)$")
_END = {"&&", "||", "|", "#", ";", ">", "<", "…"}


def texts(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """Yield every text of a module, an X for what is put in, and whether it is (part of) a hint."""
    hints = {id(part) for node in ast.walk(tree) for part in hint_parts(node)}
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (str(one.value) if isinstance(one, ast.Constant) else "X" for one in node.values)
            yield "".join(parts), id(node) in hints
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value, id(node) in hints


def hint_parts(node: ast.AST) -> Iterable[ast.AST]:
    """Return what a hint is made of: an argument `hint=…`, a variable `hint` or a constant with HINT in its name."""
    if isinstance(node, ast.keyword) and node.arg == "hint":
        return ast.walk(node.value)
    if isinstance(node, ast.Assign) and any(
        isinstance(one, ast.Name) and "hint" in one.id.lower() for one in node.targets
    ):
        return ast.walk(node.value)
    return ()


def wrong(command: str) -> str | None:
    """Return what is wrong with a command line, None if nothing is."""
    try:
        words = shlex.split(command, comments=True)
    except ValueError:
        words = command.split()
    program, *rest = words
    level, node = TREES[program].roots, None
    for word in rest:
        if word in _END:
            break
        if word.startswith("-") and word != "-":
            option = word.partition("=")[0].rstrip("…")
            known = {flag for arg in (node.args if node else ()) for flag in arg.flags} | ALWAYS
            if option not in known and not (node is not None and node.args and node.args[-1].nargs == "..."):
                return f"{command}: no option {option}"
        elif level and re.fullmatch(r"[a-z][a-z|-]+", word):
            found = [one for one in level if one.name in word.split("|")]
            if len(found) < len(word.split("|")) and (node is None or not node.args):
                return f"{command}: no command {word}"
            if found:
                level, node = found[0].children, found[0]
            else:
                level = ()
        else:
            level = ()
    return None


def sources() -> list[Path]:
    return sorted(ROOT.glob("packages/*/src/**/*.py"))


def pages() -> list[Path]:
    return [*sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("packages/*/README.md")), ROOT / "README.md"]


def test_commands_in_messages_exist() -> None:
    problems, seen = set(), 0
    for file in sources():
        for text, is_hint in texts(ast.parse(file.read_text("utf-8"))):
            found = _TICKED.findall(text) + (_BARE.findall(_TICKED.sub("", text)) if is_hint else [])
            seen += len(found)
            problems |= {f"{file.relative_to(ROOT)}: {said}" for command in found if (said := wrong(command))}
    assert sorted(problems) == []
    assert seen > 200


def test_commands_on_pages_exist() -> None:
    problems, seen = set(), 0
    for page in pages():
        code = False
        for line in page.read_text("utf-8").splitlines():
            if line.startswith("```"):
                code = not code
            found = [match[1]] if code and (match := _TYPED.match(line)) else _TICKED.findall(line)
            seen += len(found)
            problems |= {f"{page.relative_to(ROOT)}: {said}" for command in found if (said := wrong(command))}
    assert sorted(problems) == []
    assert seen > 300


@pytest.mark.parametrize(
    "command",
    ["terok nosuch", "terok task nosuch a2", "terok task list --nosuch", "terok op", "terok-executor task list"],
)
def test_what_does_not_exist_is_seen(command: str) -> None:
    assert (wrong(command) is None) == (command == "terok op")


def test_examples_in_help_exist() -> None:
    nodes: list[CommandDef] = [node for _, node in COMMANDS.walk() if node.epilog]
    assert len(nodes) > 5
    for node in nodes:
        for line in (node.epilog or "").splitlines():
            for command in _TICKED.findall(line):
                assert wrong(command) is None
