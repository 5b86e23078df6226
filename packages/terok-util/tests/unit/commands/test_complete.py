from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from terok_util import COMPLETIONS, ArgDef, CommandDef, CommandTree
from terok_util.commands.complete import candidates, completion_script, completions, print_script

PROGRAM = """#!{python}
import sys
from terok_util import ArgDef, CommandDef, CommandTree, run_cli
status = run_cli(CommandTree([CommandDef("alpha"), CommandDef("alps")]), prog="my-tool", distribution="x")
if {{"argparse", "inspect", "dataclasses", "typing"}} & set(sys.modules):
    print("heavy")
"""


def no_children() -> list[CommandDef]:
    raise AssertionError("loaded although not typed")


def tasks(prefix: str, words: list[str]) -> list[str]:
    return [f"{words[-1]}-1", "$(reboot)", "a b"]


TREE = CommandTree(
    [
        CommandDef("lazy", children=no_children),
        CommandDef(
            "task",
            children=[
                CommandDef(
                    "run",
                    args=[
                        ArgDef("project", completer=tasks),
                        ArgDef("kind", choices=("one", "two")),
                        ArgDef("words", nargs="..."),
                        ArgDef("-m/--mode", choices=("web", "cli")),
                        ArgDef("--json", action="store_true"),
                    ],
                )
            ],
        ),
        COMPLETIONS,
    ]
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", ["lazy", "task", "completions"]),
        ("ta", ["task"]),
        ("--", ["--version", "--help", "--no-input"]),
        ("task ", ["run"]),
        ("task run ", ["run-1"]),
        ("task run p ", ["one", "two"]),
        ("task run --json p o", ["one"]),
        ("task run --m", ["--mode"]),
        ("task run -m ", ["web", "cli"]),
        ("task run --mode=c", ["--mode=cli"]),
        ("task run --nosuch=c", []),
        ("task run --mode web p t", ["two"]),
        ("task run p one -- --", []),
        ("task run p one x --", []),
        ("nothing ", []),
        ("completions z", ["zsh"]),
    ],
)
def test_candidates(line: str, expected: list[str]) -> None:
    assert candidates(TREE, line.split(" ")) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["task", "run", "--mode", "=", "c"], ["cli"]),
        (["task", "run", "--mode", "="], ["web", "cli"]),
        (["task", "run", "p", "@", "x", "--m"], ["--mode"]),
        (["task", "run", "p", "@", "x", "o"], []),
        (["task", "run", "p", "q", ":", "r", ":"], []),
    ],
)
def test_bash_splits_words_where_nobody_else_does(words: list[str], expected: list[str]) -> None:
    assert completions(TREE, words, "bash") == expected


def test_one_script_serves_two_programs() -> None:
    assert "-F _my_tool my-tool my-ctl" in completion_script("bash", "my-tool", "my-ctl")
    assert completion_script("zsh", "my-tool", "my-ctl").startswith("#compdef my-tool my-ctl\n")


def test_bash_completes(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "my-tool"
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program), "completions", "bash"])
    print_script("bash")
    script = capsys.readouterr().out
    asks = """
        COMP_CWORD=1
        for word in al x; do
            COMP_WORDS=(my-tool $word); _my_tool my-tool; echo "${#COMPREPLY[@]} ${COMPREPLY[@]}"
        done
        complete -p
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{script}\n{asks}"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["2 alpha alps", "0 ", "complete -o default -F _my_tool my-tool"]
    assert done.stderr == ""
    print_script("fish")
    assert "for program in my-tool" in capsys.readouterr().out
