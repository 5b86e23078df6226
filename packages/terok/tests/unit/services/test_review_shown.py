"""What `terok review` prints of work with everything in it that a repository can hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from terok.cli import main
from terok.cli.review_diff import Style, file_lines, gathered
from terok.model.hunks import LONGEST, parse_diff
from terok.services import Tasks

from .reviewing import Agent, make_agent

TEXT = "".join(f"line {number}\n" for number in range(1, 21))
BEFORE: dict[str, str | bytes | None] = {
    "old.txt": TEXT,
    "ends.txt": "one\r\ntwo\r\nthree\r\n",
    "bare.txt": "first\nlast",
    "image.bin": b"\0before",
    "gone.txt": "gone\n",
    "code.py": "def f(x):\n\treturn x + 1\n",
    "long.txt": "short\n",
}
AFTER: dict[str, str | bytes | None] = {
    "old.txt": None,
    "new name.txt": TEXT.replace("line 7\n", "line seven\n"),
    "ends.txt": "one\r\ntwo\nthree\r\n",
    "bare.txt": "first\nlast\n",
    "image.bin": b"\0after",
    "gone.txt": None,
    "code.py": "def f(x):\n\treturn x + 2\n",
    "long.txt": "x" * (LONGEST + 100),
    "\x1b[2Jx.txt": "\x1b]0;title\x07 \u202e evil\n",
}


@pytest.fixture
def agent(tasks: Tasks, tmp_path: Path) -> Agent:
    """Give an agent that has pushed a bit of everything."""
    made = make_agent(tasks, tmp_path / "repos", BEFORE)
    made.commit(AFTER, "\x1b[31mAll of it")
    made.push()
    return made


def shown(agent: Agent, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    capsys.readouterr()
    assert main(["review", agent.task.id, *options]) == 0
    return capsys.readouterr().out


FORMS = [(), ("--split",), ("--words",), ("--split", "--words"), ("-w",), ("--syntax",), ("--json",)]


@pytest.mark.parametrize("options", FORMS, ids=" ".join)
def test_nothing_of_a_push_acts_on_the_terminal(
    agent: Agent, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    lines = shown(agent, capsys, *options).split("\n")
    assert [line for line in lines if not line.isprintable()] == []
    assert max(map(len, lines[:-1])) < 3 * LONGEST or "--json" in options


def test_every_kind_of_change_is_told(agent: Agent, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(agent, capsys).split("\n")
    for wanted in (
        *("    7       -line 7", "          7 +line seven", "=== image.bin (binary)", "=== gone.txt (deleted)"),
        *("    2       -two\\x0d", "          2 +two", "    2       -last  (no line feed at the end)"),
        *("          2 +last", "    2       -    return x + 1", "=== old.txt => new name.txt (renamed)"),
    ):
        assert wanted in lines
    assert f"          1 +{'x' * LONGEST} … 100 bytes more  (no line feed at the end)" in lines
    words = shown(agent, capsys, "--words", "--file", "bare.txt", "--file", "code.py").split("\n")
    assert "    2       -    return x + [-1-]" in words
    assert "    2       -last  (no line feed at the end)" in words, "a change without another word"
    spaces = shown(agent, capsys, "-w")
    assert "+two" not in spaces
    assert "+line seven" in spaces
    files = {row["path"]: row for row in json.loads(shown(agent, capsys, "--json"))["files"]}
    assert (files["new name.txt"]["status"], files["new name.txt"]["old_path"]) == ("R", "old.txt")
    assert (files["image.bin"]["binary"], files["gone.txt"]["status"]) == (True, "D")


def test_comments_stand_below_their_lines_also_deleted_ones(agent: Agent, capsys: pytest.CaptureFixture[str]) -> None:
    shown(agent, capsys)
    said = ("Why seven?\nReally", "It was right", "As I said", "Keep")
    for where, text in zip(("new name.txt:7", "old.txt:-7", "new name.txt:-7", "gone.txt"), said, strict=True):
        assert main(["review", agent.task.id, "--comment", where, text]) == 0
    for options in ((), ("--split",)):
        lines = [line.strip() for line in shown(agent, capsys, *options).split("\n")]
        (about_new,) = (at for at, line in enumerate(lines) if line.startswith("| #1 "))
        (about_old,) = (at for at, line in enumerate(lines) if line.startswith("| #2 "))
        assert lines[about_new].endswith(": Why seven?")
        assert lines[about_new + 1] == "|     Really"
        assert lines[about_new - 1].endswith("+line seven") or options
        assert lines[about_old - 1].endswith("-line 7") or options
        assert lines[about_old + 1].startswith("| #3 "), "the name that it has now will do"
        gone = lines.index("=== gone.txt (deleted)")
        assert lines[gone + 1].startswith("| #4 ")


def test_a_finding_stands_below_its_line(agent: Agent, capsys: pytest.CaptureFixture[str]) -> None:
    agent.commit({"code.py": f"def f(x):\n\treturn x\nKEY = 'AKIA{'Q3EGJ5' * 2}ABCD'\n"})
    agent.push()
    lines = [line.strip() for line in shown(agent, capsys).split("\n")]
    (at,) = (at for at, line in enumerate(lines) if line.startswith("3 +KEY = "))
    assert lines[at + 1].startswith("| ! secret")
    assert any(text.startswith("secret: code.py:3 ") for text in lines), "and among all findings"


def test_two_versions_side_by_side_fit_the_terminal() -> None:
    head = b":100644 100644 %b %b M\ta\n\ndiff --git a/a b/a\nindex %b..%b 100644\n" % ((b"1" * 40, b"2" * 40) * 2)
    wide = "\u5b57" * 90
    body = f"--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n {wide}\n-{'old ' * 60}\n+new\n".encode()
    (file,) = parse_diff(head + body)
    remarks = gathered([("a", "new", 2, "about this"), ("a", "old", 2, "about that")])["a"]
    lines = list(file_lines(file, Style(split=True, columns=80), remarks))
    columns = [sum(2 if char == "\u5b57" else 1 for char in line) for line in lines]
    assert max(columns) <= 80
    assert sum(line.count("\u5b57") for line in lines) == 2 * len(wide)
    assert [line.strip() for line in lines[-2:]] == ["| about that", "| about this"]
    narrow = list(file_lines(file, Style(split=True, columns=40), {}))
    assert narrow == list(file_lines(file, Style(), {})), "there is no room for two"
