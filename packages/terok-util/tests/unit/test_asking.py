from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

PROGRAM = """
from terok_util import ArgDef, CommandDef, CommandTree, may_ask, run_cli
def say() -> None:
    print("asks" if may_ask() else "does not ask")
tree = CommandTree([CommandDef("say", handler=say), CommandDef("of", children=[CommandDef("say", handler=say)])])
raise SystemExit(run_cli(tree, prog="x", distribution="x", ask={ask}))
"""


def answer(*words: str, ask: bool = True, terminal: bool = True) -> str:
    ours, theirs = pty.openpty()
    environ = {name: value for name, value in os.environ.items() if name != "TEROK_NO_INPUT"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(ask=ask), *words],
            stdin=theirs if terminal else subprocess.DEVNULL,
            env=environ,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return done.stdout.strip()


@pytest.mark.parametrize("words", [["--no-input", "say"], ["say", "--no-input"], ["of", "say", "--no-input"]])
def test_nobody_is_asked_who_does_not_want_it(words: list[str]) -> None:
    assert answer(*words) == "does not ask"
    assert answer(*(word for word in words if word != "--no-input")) == "asks"


def test_nobody_is_asked_without_a_terminal_or_by_a_program_for_scripts() -> None:
    assert answer("say", terminal=False) == "does not ask"
    assert answer("say", ask=False) == "does not ask"
