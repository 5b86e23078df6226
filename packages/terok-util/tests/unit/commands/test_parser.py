from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_util import CommandDef, CommandTree
from terok_util.commands.parser import HelpText, VerbParser

HELP = """\
usage: terok [options] COMMAND ...

options:
  -h, --help  show this help message and exit

commands:
  plain  does 100% of it

tasks:
  task   one task
  tasks

examples:
  terok plain
"""


def test_verbs_are_listed_under_their_headings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    parser = VerbParser(prog="terok", epilog="examples:\n  %(prog)s plain")
    nodes = [
        CommandDef("task", help="one task", group="tasks"),
        CommandDef("plain", help="does 100% of it"),
        CommandDef("tasks", group="tasks"),
    ]
    CommandTree(nodes).wire(parser, ["--help"])
    assert parser.format_help() == HELP


@pytest.mark.parametrize("columns", ["1", "99999999999999", "-3", "x", ""])
def test_any_terminal_width(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert "usage" in VerbParser(prog="terok", description="word " * 50).format_help()


@given(st.text(alphabet="ab \n"), st.integers(1, 20))
def test_lines_break_like_those_of_textwrap(text: str, width: int) -> None:
    ours = HelpText("p")._split_lines(text, width)
    assert ours == (textwrap.wrap(" ".join(text.split()), width, break_long_words=False) or [""])
